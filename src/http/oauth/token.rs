//! Where a client changes a code for tokens, and a refresh token for the next ones (RFC 6749), and gives
//! them back (RFC 7009).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::OauthFace;
use super::answers::{authorization, failed, form, no_randomness, refused, refused_as_asked, told};
use super::face::asked_from;
use crate::auth::oauth::{
    ACCESS_LIFE, Approved, ClientClaim, OauthError, Pairs, Spending, TokenAsk, TokenPair,
    digest_of, issue,
};
use crate::http::body::RawBody;
use crate::model::{Grant, OauthClient, Scope, TokenDigest, TokenPrefix};

/// `POST /token`.
pub(in crate::http) async fn exchange(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    RawBody(body): RawBody,
) -> HttpResponse {
    let pairs = match form(&request, &body) {
        Ok(pairs) => pairs,
        Err(error) => return refused(error),
    };
    let claim = match ClientClaim::parse(&pairs, authorization(&request)) {
        Ok(claim) => claim,
        Err(error) => return refused_as_asked(error, authorization(&request).is_some()),
    };
    match exchanged(&request, &face, &pairs, &claim).await {
        Ok(answer) => told(StatusCode::OK, &answer),
        Err(error) => refused_as_asked(error, claim.is_basic),
    }
}

/// `POST /revoke`. Whoever has a token may give it back, and what is none of ours is gone already.
pub(in crate::http) async fn revoke(
    request: HttpRequest,
    face: web::Data<OauthFace>,
    RawBody(body): RawBody,
) -> HttpResponse {
    match given_back(&request, &face, &body).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => refused(error),
    }
}

async fn given_back(
    request: &HttpRequest,
    face: &OauthFace,
    body: &[u8],
) -> Result<(), OauthError> {
    let pairs = form(request, body)?;
    let token = pairs.one("token").ok().flatten();
    let token = digest_of(token.ok_or(OauthError::InvalidRequest("name one token"))?);
    face.accounts.give_back(&token, asked_from(request)).await.map_err(failed)
}

async fn exchanged(
    request: &HttpRequest,
    face: &OauthFace,
    pairs: &Pairs,
    claim: &ClientClaim,
) -> Result<Value, OauthError> {
    let asked = TokenAsk::parse(pairs, &face.issuer)?;
    let client = face.client(&claim.id).filter(|client| claim.is_of(client));
    let client = client.ok_or(OauthError::InvalidClient)?;
    let pair = TokenPair::generate().map_err(no_randomness)?;
    let from = asked_from(request);
    let (grant, pair) = match asked {
        TokenAsk::Code { code, verifier, redirect } => {
            let code = digest_of(code.reveal());
            let approved = spent(request, face, &client, &code).await?;
            let is_other = redirect.is_some_and(|redirect| redirect != approved.redirect);
            if is_other || !TokenAsk::verifies(&verifier, &approved.challenge) {
                return Err(OauthError::InvalidGrant);
            }
            (opened(request, face, &code, approved, &pair).await?, pair)
        }
        TokenAsk::Refresh { token } => {
            let refresh = digest_of(token.reveal());
            let renewed = face.accounts.renew_grant(refresh, &client.id, pair, from).await;
            renewed.map_err(failed)?.ok_or(OauthError::InvalidGrant)?
        }
    };
    Ok(answer(face, &grant, &pair))
}

/// What a code stands for. One that comes a second time ends what it was changed for: two have it, and one
/// of them stole it.
async fn spent(
    request: &HttpRequest,
    face: &OauthFace,
    client: &OauthClient,
    code: &TokenDigest,
) -> Result<Approved, OauthError> {
    match face.lobby().spend(code, &client.id, face.now()) {
        Spending::Fresh(approved) => Ok(*approved),
        Spending::Spent(id) => Err(reused(request, face, &id).await),
        Spending::Unknown => Err(OauthError::InvalidGrant),
    }
}

/// Begins a grant with its first tokens.
async fn opened(
    request: &HttpRequest,
    face: &OauthFace,
    code: &TokenDigest,
    approved: Approved,
    pair: &TokenPair,
) -> Result<Grant, OauthError> {
    let now = face.now();
    let grant = issue(&Grant { created_at: now, ..approved.grant }, pair, now);
    let approved = Approved { grant, ..approved };
    let opened = face.accounts.open_grant(approved, *code, asked_from(request)).await;
    let opened = opened.map_err(failed)?;
    // Whoever came with the code a second time meanwhile could end nothing that was not there yet.
    if face.lobby().is_burnt(code) {
        return Err(reused(request, face, &opened.id).await);
    }
    // From now on it is kept with the grant.
    face.lobby().forget_client(&opened.client.id);
    Ok(opened)
}

async fn reused(request: &HttpRequest, face: &OauthFace, id: &TokenPrefix) -> OauthError {
    match face.accounts.end_reused_grant(id, asked_from(request)).await {
        Ok(()) => OauthError::InvalidGrant,
        Err(error) => failed(error),
    }
}

fn answer(face: &OauthFace, grant: &Grant, pair: &TokenPair) -> Value {
    let left = grant.expires_at.since(face.now()).min(ACCESS_LIFE);
    let scopes: Vec<String> = grant.scopes.as_slice().iter().map(Scope::to_string).collect();
    json!({
        "access_token": pair.access.reveal(),
        "token_type": "Bearer",
        "expires_in": left.as_secs(),
        "refresh_token": pair.refresh.reveal(),
        "scope": scopes.join(" "),
    })
}
