//! What the official client of Mem0 asks for: the paths of its platform, each with a slash at its end.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::memories::{acting, user_of};
use crate::actors::Sessions;
use crate::engine::{Arguments, Field, InvalidArguments, ListTags, Shape, USER_ID};
use crate::error::Error;
use crate::http::ask::query;
use crate::http::body::JsonBody;
use crate::model::{Caller, MemoryId, Scope, Tags, UserId};
use crate::older::{Asking, Filters, Identifiers, mem0};

const PAGE: Field = Field::new("page", Shape::Whole { least: 1, most: 1_000_000 }, "From 1");
const PAGE_SIZE: Field =
    Field::new("page_size", Shape::Whole { least: 1, most: 1_000 }, "Default 100");
const MEMORIES: Field = Field::new("memories", Shape::Text, "");
const DEFAULT_PAGE: usize = 100;
/// As many as that server takes at once.
const MOST_AT_ONCE: usize = 1_000;

pub(in crate::http) fn fields_of_list() -> Vec<&'static Field> {
    vec![&mem0::FILTERS, &mem0::AGENT_ID, &mem0::RUN_ID, &mem0::APP_ID]
}

/// The client will not begin without the name of an organisation and a project.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn ping() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "status": "ok",
        "org_id": "memoryd",
        "project_id": "memoryd",
        "user_email": null,
    }))
}

pub(in crate::http) async fn add(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut arguments = without_house(body);
    let user = user_of(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    let told = mem0::add(Asking { sessions: &sessions, caller: &caller }, arguments).await?;
    Ok(HttpResponse::Ok().json(told.body))
}

pub(in crate::http) async fn search(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let told = searched(&caller, &sessions, body).await?;
    Ok(HttpResponse::Ok().json(told))
}

/// The same as a bare list, as older clients want it.
pub(in crate::http) async fn search_list(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut told = searched(&caller, &sessions, body).await?;
    Ok(HttpResponse::Ok().json(told.remove("results").unwrap_or_default()))
}

async fn searched(
    caller: &Caller,
    sessions: &Sessions,
    body: serde_json::Map<String, Value>,
) -> Result<serde_json::Map<String, Value>, Error> {
    let mut arguments = without_house(body);
    let user = user_of(&mut arguments);
    let caller = acting(sessions, caller, user, &mut arguments)?;
    let told = mem0::search(Asking { sessions, caller: &caller }, arguments).await?;
    Ok(told.body)
}

/// A page of everything, with how many there are in all.
pub(in crate::http) async fn list(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut of_query = Arguments::new(query(&request, |_| false)?);
    let page: usize = of_query.take(&PAGE).unwrap_or(1);
    let size: usize = of_query.take(&PAGE_SIZE).unwrap_or(DEFAULT_PAGE);
    of_query.finish((), false)?;
    let items = listed(&caller, &sessions, body).await?;
    let count = items.len();
    let start = (page - 1).saturating_mul(size);
    let results: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let at = |page: usize| format!("{}?page={page}&page_size={size}", request.path());
    let next = (start + results.len() < count).then(|| at(page + 1));
    let previous = (page > 1).then(|| at(page - 1));
    let told = json!({ "count": count, "next": next, "previous": previous, "results": results });
    Ok(HttpResponse::Ok().json(told))
}

/// The same as a bare list, as older clients want it unless they ask for a page.
pub(in crate::http) async fn bare_list(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    body: JsonBody,
) -> Result<HttpResponse, Error> {
    if query(&request, |_| false)?.contains_key(PAGE.name) {
        return list(request, caller, sessions, body).await;
    }
    Ok(HttpResponse::Ok().json(listed(&caller, &sessions, body.0).await?))
}

/// The same for the oldest clients, which name whom they mean in the query.
pub(in crate::http) async fn query_list(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let named = query(&request, |_| false)?;
    Ok(HttpResponse::Ok().json(listed(&caller, &sessions, named).await?))
}

async fn listed(
    caller: &Caller,
    sessions: &Sessions,
    body: serde_json::Map<String, Value>,
) -> Result<Vec<Value>, Error> {
    let mut arguments = without_house(body);
    let user = user_of(&mut arguments);
    let named = Identifiers::take(&mut arguments);
    let tags = named.tags(&mut arguments);
    let filters = Filters::take(&mut arguments);
    let caller = acting(sessions, caller, user, &mut arguments)?;
    arguments.finish((), false)?;
    let asking = Asking { sessions, caller: &caller };
    Ok(mem0::all(asking, &tags, filters.as_ref()).await?)
}

/// The client names a memory by its id alone, also one that it stored for another user.
pub(in crate::http) async fn get(
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller) = owner(&sessions, &caller, &id).await?;
    let told = mem0::get(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn update(
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let (id, caller) = owner(&sessions, &caller, &id).await?;
    let asking = Asking { sessions: &sessions, caller: &caller };
    let told = mem0::update(asking, id, without_house(body)).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn delete(
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller) = owner(&sessions, &caller, &id).await?;
    let told = mem0::delete(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn history(
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller) = owner(&sessions, &caller, &id).await?;
    let told = mem0::history(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

/// Deletes everything that bears the identifiers that are named, of which there has to be one.
pub(in crate::http) async fn delete_all(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut arguments = without_house(query(&request, |_| false)?);
    let user: Option<UserId> = arguments.take(&USER_ID);
    let named = Identifiers::take(&mut arguments);
    if user.is_none() && named.is_empty() {
        let problem = "At least one identifier is required.".to_owned();
        return Err(Error::BadRequest { problem });
    }
    let tags = named.tags(&mut arguments);
    named.refuse_any(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    arguments.finish((), true)?;
    let asking = Asking { sessions: &sessions, caller: &caller };
    let count = mem0::delete_all(asking, &tags).await?;
    let message = "Memories deleted successfully!";
    Ok(HttpResponse::Ok().json(json!({ "message": message, "deleted_count": count })))
}

/// Who there is, as far as the caller may know.
pub(in crate::http) async fn entities(
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut users = vec![caller.user.clone()];
    if caller.may(Scope::Admin) {
        users.extend(sessions.users(&caller)?.into_iter().map(|line| line.user_id));
    }
    users.sort_unstable();
    users.dedup();
    let mut results = Vec::new();
    for user in users {
        let acting = sessions.acting_for(&caller, Some(user.clone()))?;
        let asking = Asking { sessions: &sessions, caller: &acting };
        let (newest, total, _) = mem0::page(asking, &Tags::default(), 1, None).await?;
        let at = |name: &str| newest.first().and_then(|item| item.get(name).cloned());
        if acting.user == caller.user {
            results.extend(others(&asking).await?);
        }
        if total > 0 {
            results.push(json!({
                "id": user, "name": user, "type": "user", "total_memories": total,
                "created_at": at("created_at"), "updated_at": at("updated_at"),
                "owner": null, "organization": null, "metadata": {},
            }));
        }
    }
    let told = json!({
        "count": results.len(), "next": null, "previous": null, "results": results,
    });
    Ok(HttpResponse::Ok().json(told))
}

/// The agents, runs and applications of which somebody has memories.
async fn others(asking: &Asking<'_>) -> Result<Vec<Value>, Error> {
    let tags = asking.sessions.ask(asking.caller, ListTags).await?.tags;
    let told = tags.into_iter().filter_map(|tag| {
        let (name, value) = Identifiers::of_tag(&tag.name)?;
        Some(json!({
            "id": value, "name": value, "type": name.trim_end_matches("_id"),
            "total_memories": tag.count, "created_at": null, "updated_at": tag.updated_at,
            "owner": null, "organization": null, "metadata": {},
        }))
    });
    Ok(told.collect())
}

/// Deletes everything of a user, an agent, an application or a run; it can be restored for a while.
pub(in crate::http) async fn delete_entity(
    caller: Caller,
    sessions: web::Data<Sessions>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (kind, name) = path.into_inner();
    let mut arguments = Arguments::default();
    let field = match kind.as_str() {
        "user" => USER_ID.name,
        "agent" => mem0::AGENT_ID.name,
        "run" => mem0::RUN_ID.name,
        "app" => mem0::APP_ID.name,
        _ => return Err(Error::NoRoute),
    };
    arguments.set(field, name.into());
    let user: Option<UserId> = arguments.take(&USER_ID);
    let named = Identifiers::take(&mut arguments);
    let tags = named.tags(&mut arguments);
    named.refuse_any(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    arguments.finish((), true)?;
    let asking = Asking { sessions: &sessions, caller: &caller };
    let count = mem0::delete_all(asking, &tags).await?;
    let told = json!({ "message": "Entity deleted successfully!", "deleted_count": count });
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn update_many(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let many = reached(&sessions, &caller, &body).await?;
    let count = many.len();
    for (id, caller, one) in many {
        let asking = Asking { sessions: &sessions, caller: &caller };
        mem0::update(asking, id, without_house(one)).await?;
    }
    let message = format!("Successfully updated {count} memories");
    Ok(HttpResponse::Ok().json(json!({ "message": message })))
}

pub(in crate::http) async fn delete_many(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let many = reached(&sessions, &caller, &body).await?;
    let count = many.len();
    for (id, caller, _) in many {
        mem0::delete(Asking { sessions: &sessions, caller: &caller }, id).await?;
    }
    let message = format!("Successfully deleted {count} memories");
    Ok(HttpResponse::Ok().json(json!({ "message": message })))
}

type Reached = (MemoryId, Caller, serde_json::Map<String, Value>);

/// The memories that a call names, each with as whom it is reached. One that cannot be had has the whole
/// call refused, before anything is done.
async fn reached(
    sessions: &Sessions,
    caller: &Caller,
    body: &serde_json::Map<String, Value>,
) -> Result<Vec<Reached>, Error> {
    let mut reached = Vec::new();
    for one in many(body)? {
        let (id, acting) = owner(sessions, caller, &id_of(&one)?).await?;
        // Who may not read learns of it when it comes to that memory.
        if acting.may(Scope::Read) {
            mem0::get(Asking { sessions, caller: &acting }, id).await?;
        }
        reached.push((id, acting, one));
    }
    Ok(reached)
}

fn many(
    body: &serde_json::Map<String, Value>,
) -> Result<Vec<serde_json::Map<String, Value>>, Error> {
    let items = body.get(MEMORIES.name).and_then(Value::as_array);
    let items: Option<Vec<_>> =
        items.map(|items| items.iter().filter_map(Value::as_object).cloned().collect());
    match items {
        Some(items) if (1..=MOST_AT_ONCE).contains(&items.len()) => Ok(items),
        _ => {
            let problem = format!("expected a list of 1 to {MOST_AT_ONCE} objects");
            Err(InvalidArguments::one(MEMORIES.name, &problem).into())
        }
    }
}

fn id_of(one: &serde_json::Map<String, Value>) -> Result<String, Error> {
    let id = one.get("memory_id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| InvalidArguments::one("memory_id", "is required").into())
}

/// As whom a memory is reached that is named by its id alone.
async fn owner(
    sessions: &Sessions,
    caller: &Caller,
    id: &str,
) -> Result<(MemoryId, Caller), Error> {
    let id = MemoryId::parse(id).map_err(|_| Error::UnknownMemory)?;
    Ok((id, sessions.acting_for_owner(caller, id).await?))
}

/// What older clients add to every call: the house that they believe to speak to.
fn without_house(mut body: serde_json::Map<String, Value>) -> Arguments {
    for name in ["org_id", "project_id", "memory_id"] {
        body.remove(name);
    }
    Arguments::new(body)
}
