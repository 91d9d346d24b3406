//! `/memories` of two older servers, the token-file one and Mem0's. They share their paths, and their
//! answers hold the fields of both.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde_json::{Value, json};

use crate::actors::Sessions;
use crate::engine::{Arguments, Field, InvalidArguments, QueryText, Shape, USER_ID};
use crate::error::Error;
use crate::http::OpenStreams;
use crate::http::ask::query;
use crate::http::body::JsonBody;
use crate::model::{AuditKind, Caller, Category, MemoryId, Tags, UserId};
use crate::older::{Asking, Identifiers, mem0, token_file, user_in};

const INFORMATION: Field = Field::new("information", Shape::Text, "Of the token-file server");
const INFORMATION_TYPE: Field = Field::new("information_type", Shape::Name, "The same");
/// The old client also asks for everything.
const QUERY: Field = Field::new("query", Shape::Query, "The newest if nothing is said");
const TYPE: Field = Field::new("type", Shape::Name, "Only this kind of information");

/// What the calls take, for the description.
pub(in crate::http) fn fields_of_add() -> Vec<&'static Field> {
    mem0::ADDED.into_iter().chain([&INFORMATION_TYPE, &INFORMATION]).collect()
}

pub(in crate::http) fn fields_of_list() -> Vec<&'static Field> {
    vec![&mem0::AGENT_ID, &mem0::RUN_ID, &mem0::APP_ID, &mem0::LIMIT, &mem0::TOP_K]
}

pub(in crate::http) fn fields_of_find() -> Vec<&'static Field> {
    vec![&QUERY, &mem0::LIMIT]
}

pub(in crate::http) fn fields_of_delete() -> Vec<&'static Field> {
    vec![&TYPE, &mem0::AGENT_ID, &mem0::RUN_ID, &mem0::APP_ID]
}

/// Stores what one of the two servers would: messages, or a piece of information.
pub(in crate::http) async fn add(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(body);
    let is_of_mem0 = arguments.says(mem0::MESSAGES.name);
    if is_of_mem0 && arguments.says(INFORMATION.name) {
        return Err(InvalidArguments::one(INFORMATION.name, "goes without messages").into());
    }
    if !is_of_mem0 {
        for needed in [USER_ID.name, INFORMATION_TYPE.name, INFORMATION.name] {
            if !arguments.says(needed) {
                let problem = format!("Missing required field: {needed}");
                return Err(Error::BadRequest { problem });
            }
        }
    }
    let user: Option<UserId> = arguments.take(&USER_ID);
    if is_of_mem0 {
        let caller = acting(&sessions, &caller, user, &mut arguments)?;
        let told = mem0::add(Asking { sessions: &sessions, caller: &caller }, arguments).await?;
        return Ok(HttpResponse::Ok().json(told.body));
    }
    let category: Option<Category> = arguments.take(&INFORMATION_TYPE);
    let information: String = arguments.take(&INFORMATION).unwrap_or_default();
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    arguments.finish((), false)?;
    let Some(category) = category else {
        return Err(
            InvalidArguments::one(INFORMATION_TYPE.name, "expected text of one line").into()
        );
    };
    let asking = Asking { sessions: &sessions, caller: &caller };
    let (told, _) = token_file::store(&asking, category, information).await?;
    Ok(HttpResponse::Ok().json(told))
}

/// Lists everything, the newest first; as many as are asked for, if somebody asks for so many.
pub(in crate::http) async fn list(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    streams: web::Data<OpenStreams>,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(query(&request, |_| false)?);
    let user: Option<UserId> = arguments.take(&USER_ID);
    let named = Identifiers::take(&mut arguments);
    if user.is_none() && named.is_empty() {
        return Err(Error::BadRequest { problem: "user_id parameter required".to_owned() });
    }
    let limit: Option<usize> = arguments.take(&mem0::LIMIT).or(arguments.take(&mem0::TOP_K));
    let tags = named.tags(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    arguments.finish((), false)?;
    if let Some(limit) = limit.filter(|limit| *limit <= mem0::PAGE) {
        let asking = Asking { sessions: &sessions, caller: &caller };
        let (items, total, _) = mem0::page(asking, &tags, limit, None).await?;
        return Ok(HttpResponse::Ok().json(both(&items, total)));
    }
    everything(caller, sessions, &streams, tags, limit.unwrap_or(usize::MAX)).await
}

/// The items under the names of both servers.
fn both(items: &[Value], total: usize) -> Value {
    json!({ "memories": items, "results": items, "total": total })
}

/// What of a long list has been written.
struct Written {
    name: &'static str,
    cursor: Option<String>,
    left: usize,
    is_first: bool,
}

/// Writes a list page by page, first under the one name, then under the other. Its export is complete,
/// however long it is.
async fn everything(
    caller: Caller,
    sessions: web::Data<Sessions>,
    streams: &OpenStreams,
    tags: Tags,
    limit: usize,
) -> Result<HttpResponse, Error> {
    let place = streams.open(&caller)?;
    // A refusal still can be one.
    let asking = Asking { sessions: &sessions, caller: &caller };
    let (_, total, _) = mem0::page(asking, &tags, 1, None).await?;
    sessions.accounts().note_deed(
        AuditKind::MemoriesExported,
        &caller,
        "over REST, as a list".to_owned(),
    );
    let start = Written { name: "memories", cursor: None, left: limit, is_first: true };
    let read = stream::unfold(Some(start), move |state| {
        let (sessions, caller, tags) = (sessions.clone(), caller.clone(), tags.clone());
        async move { next_part(state?, &sessions, &caller, &tags, total, limit).await }
    });
    Ok(HttpResponse::Ok().content_type("application/json").streaming(place.held_by(read)))
}

type Part = (Result<Bytes, actix_web::Error>, Option<Written>);

async fn next_part(
    state: Written,
    sessions: &Sessions,
    caller: &Caller,
    tags: &Tags,
    total: usize,
    limit: usize,
) -> Option<Part> {
    let Written { name, cursor, left, is_first } = state;
    let asking = Asking { sessions, caller };
    let (items, _, next) = match mem0::page(asking, tags, left.min(mem0::PAGE), cursor).await {
        Ok(page) => page,
        Err(failed) => {
            let error = Error::from(failed);
            error.log();
            return Some((Err(error.into()), None));
        }
    };
    let mut text = match (is_first, name) {
        (false, _) => String::new(),
        (true, "memories") => "{\"memories\":[".to_owned(),
        (true, name) => format!(",\"{name}\":["),
    };
    for (at, item) in items.iter().enumerate() {
        if at > 0 || !is_first {
            text.push(',');
        }
        text.push_str(&item.to_string());
    }
    let left = left.saturating_sub(items.len());
    let next = next.filter(|_| left > 0);
    let state = match (next, name) {
        (Some(cursor), name) => Some(Written { name, cursor: Some(cursor), left, is_first: false }),
        (None, "memories") => {
            text.push(']');
            Some(Written { name: "results", cursor: None, left: limit, is_first: true })
        }
        (None, _) => {
            text.push_str(&format!("],\"total\":{total}}}"));
            None
        }
    };
    Some((Ok(text.into()), state))
}

/// Finds, as the token-file server did.
pub(in crate::http) async fn find(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    const LIMIT: usize = 10;
    let mut arguments = Arguments::new(query(&request, |_| false)?);
    if !arguments.says(USER_ID.name) {
        return Err(Error::BadRequest { problem: "user_id parameter required".to_owned() });
    }
    let user: Option<UserId> = arguments.take(&USER_ID);
    let question: Option<QueryText> = arguments.take(&QUERY);
    let limit = arguments.take(&mem0::LIMIT).unwrap_or(LIMIT).min(mem0::PAGE);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    arguments.finish((), false)?;
    let asking = Asking { sessions: &sessions, caller: &caller };
    let Some(question) = question else {
        let (items, total, _) = mem0::page(asking, &Tags::default(), limit, None).await?;
        return Ok(HttpResponse::Ok().json(both(&items, total)));
    };
    let found = token_file::found(&asking, question, limit).await?;
    let items: Vec<Value> = found.iter().map(|memory| token_file::item(&asking, memory)).collect();
    Ok(HttpResponse::Ok().json(both(&items, items.len())))
}

/// Finds, as the Mem0 server did.
pub(in crate::http) async fn search(
    caller: Caller,
    sessions: web::Data<Sessions>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(body);
    let user = user_of(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    let told = mem0::search(Asking { sessions: &sessions, caller: &caller }, arguments).await?;
    Ok(HttpResponse::Ok().json(told.body))
}

/// Deletes everything of a user, or of a kind of information, of an agent or a run.
pub(in crate::http) async fn delete_all(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(query(&request, |_| false)?);
    let user: Option<UserId> = arguments.take(&USER_ID);
    let named = Identifiers::take(&mut arguments);
    if user.is_none() && named.is_empty() {
        return Err(Error::BadRequest { problem: "user_id parameter required".to_owned() });
    }
    let kind: Option<Category> = arguments.take(&TYPE);
    let tags = named.tags(&mut arguments);
    named.refuse_any(&mut arguments);
    let caller = acting(&sessions, &caller, user, &mut arguments)?;
    // What was not understood may have been a limit.
    arguments.finish((), true)?;
    let asking = Asking { sessions: &sessions, caller: &caller };
    let count = if named.is_empty() {
        token_file::delete_of_type(&asking, kind).await?
    } else {
        mem0::delete_all(asking, &tags).await?
    };
    Ok(HttpResponse::Ok().json(json!({
        "status": "success",
        "deleted_count": count,
        "message": "All relevant memories deleted",
    })))
}

pub(in crate::http) async fn get(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller, _) = named(&request, &sessions, &caller, &id)?;
    let told = mem0::get(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn update(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
    JsonBody(body): JsonBody,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(body);
    let of_body: Option<UserId> = arguments.take(&USER_ID);
    let (id, caller, _) = named_or(&request, &sessions, &caller, &id, of_body)?;
    let told = mem0::update(Asking { sessions: &sessions, caller: &caller }, id, arguments).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn delete(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller, _) = named(&request, &sessions, &caller, &id)?;
    let told = mem0::delete(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

pub(in crate::http) async fn history(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let (id, caller, _) = named(&request, &sessions, &caller, &id)?;
    let told = mem0::history(Asking { sessions: &sessions, caller: &caller }, id).await?;
    Ok(HttpResponse::Ok().json(told))
}

/// Erases nothing but what the caller may delete: everything of the caller's own user, which can be
/// restored for a while.
pub(in crate::http) async fn reset(
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let asking = Asking { sessions: &sessions, caller: &caller };
    let count = mem0::delete_all(asking, &Tags::default()).await?;
    let told = json!({ "message": "All memories reset", "deleted_count": count });
    Ok(HttpResponse::build(StatusCode::OK).json(told))
}

/// The user that a call names, at its top or in its filters.
pub(super) fn user_of(arguments: &mut Arguments) -> Option<UserId> {
    let own: Option<UserId> = arguments.take(&USER_ID);
    let of_filters = user_in(arguments);
    own.or(of_filters)
}

/// As whom a call acts.
pub(super) fn acting(
    sessions: &Sessions,
    caller: &Caller,
    user: Option<UserId>,
    arguments: &mut Arguments,
) -> Result<Caller, Error> {
    // An unreadable user is told with whatever else is wrong, and never taken for none.
    if arguments.has_problems() {
        std::mem::take(arguments).finish((), false)?;
    }
    Ok(sessions.acting_for(caller, user)?)
}

fn named(
    request: &HttpRequest,
    sessions: &Sessions,
    caller: &Caller,
    id: &str,
) -> Result<(MemoryId, Caller, Arguments), Error> {
    named_or(request, sessions, caller, id, None)
}

/// The memory that a path names, and as whom the call acts.
fn named_or(
    request: &HttpRequest,
    sessions: &Sessions,
    caller: &Caller,
    id: &str,
    otherwise: Option<UserId>,
) -> Result<(MemoryId, Caller, Arguments), Error> {
    let mut arguments = Arguments::new(query(request, |_| false)?);
    let user: Option<UserId> = arguments.take(&USER_ID);
    let caller = acting(sessions, caller, user.or(otherwise), &mut arguments)?;
    let id = MemoryId::parse(id).map_err(|_| Error::UnknownMemory)?;
    Ok((id, caller, arguments))
}
