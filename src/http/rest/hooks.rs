use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Sessions;
use crate::engine::{Field, Shape};
use crate::error::Error;
use crate::hooks::{Hook, HookClient, Sittings, carry_out};
use crate::http::ask::acting_with;
use crate::http::body::JsonBody;
use crate::http::front::Front;
use crate::model::{Caller, Project};

/// Names the project of a hook, whose client knows a folder at best.
pub(in crate::http) const HOOK_PROJECT: Field =
    Field::new("project", Shape::Name, "Instead of what the client's folder stands for");

/// Takes what a client's hook brings, and answers as that hook's program would.
pub(in crate::http) async fn hook(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
    sittings: web::Data<Sittings>,
    front: web::Data<Front>,
    JsonBody(told): JsonBody,
) -> Result<HttpResponse, Error> {
    let client = request.match_info().get("client").and_then(HookClient::parse);
    let client = client.ok_or(Error::NoRoute)?;
    let (caller, project) = acting_with(&request, &sessions, &caller, |arguments| {
        arguments.take::<Project>(&HOOK_PROJECT)
    })?;
    let hook = Hook::read(client, None, &told);
    let project = project
        .or_else(|| caller.project.clone())
        .or_else(|| front.project_of(hook.folder.as_deref()));
    let answer = carry_out(&sessions, &caller, &sittings, &hook, project).await?;
    Ok(HttpResponse::Ok().json(answer))
}
