use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Sessions;
use crate::engine::{Arguments, ListRecalls, Noted, Said, Spoken, USER_ID};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::Caller;

/// Tells what was given to whom, and asks again if that is wanted.
pub(in crate::http) async fn why(
    request: HttpRequest,
    caller: Caller,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let mut arguments = Arguments::new(query(&request, |_| false)?);
    let user = arguments.take(&USER_ID);
    let Said { verb, ignored } = ListRecalls::parse(arguments)?;
    let answer = sessions.why(&caller, user, verb).await?;
    Ok(HttpResponse::Ok().json(Noted { answer, ignored }))
}
