use tokio::sync::Semaphore;

use crate::actors::Accounts;
use crate::auth::oauth::{ClientUrl, Descriptions, Standing};
use crate::error::Error;
use crate::model::OauthClient;
use crate::model::foreign::inline;
use crate::outward::{Documents, Fetched};

/// Finds clients by the description at the address that is their id, where a setting wants it.
#[derive(Debug)]
pub(super) struct Describing {
    documents: Documents,
    known: Descriptions,
    /// One description at a time: however many ask for a client, its host is asked once.
    turn: Semaphore,
}

impl Describing {
    pub(super) fn new(documents: Documents) -> Self {
        Self { documents, known: Descriptions::default(), turn: Semaphore::new(1) }
    }

    /// The client of an address, from memory or from its host. Only for somebody who has signed in.
    pub(super) async fn client(
        &self,
        url: ClientUrl,
        accounts: &Accounts,
    ) -> Result<OauthClient, Error> {
        if let Standing::Known(client) = self.known.get(&url, accounts.now()) {
            return Ok(client);
        }
        let _turn = self.turn.acquire().await.map_err(|_| Error::Panicked)?;
        match self.known.get(&url, accounts.now()) {
            Standing::Known(client) => Ok(client),
            Standing::Failed => Err(unusable("it could not be had a moment ago")),
            Standing::Due => self.fetched(url, accounts).await,
        }
    }

    async fn fetched(&self, url: ClientUrl, accounts: &Accounts) -> Result<OauthClient, Error> {
        let fetched = self.documents.fetch(url.as_str()).await;
        let now = accounts.now();
        match fetched {
            Ok(Fetched { body, keep_for }) => match url.describe(&body, now) {
                Ok(client) => {
                    self.known.keep(url, client.clone(), keep_for, now);
                    Ok(client)
                }
                Err(odd) => {
                    log::info!("the description of a client at {} is refused: {odd}", url.host());
                    // It was had, and no older copy says what it says.
                    self.known.refuse(url, now);
                    Err(unusable(&odd.to_string()))
                }
            },
            Err(error) => {
                let cause = inline(error.cause().unwrap_or_default());
                log::info!("the description of a client at {}: {error} {cause}", url.host());
                if error.is_gone() {
                    // Its owner has withdrawn it; a good copy stands in for what fails only.
                    self.known.refuse(url, now);
                    return Err(unusable(&error.to_string()));
                }
                self.known.fail(url, now).ok_or_else(|| unusable(&error.to_string()))
            }
        }
    }
}

/// What the person at the browser is told.
fn unusable(why: &str) -> Error {
    let problem = format!(
        "The program that sent you here names itself by an address, and its description there cannot be \
         used: {why}."
    );
    Error::BadRequest { problem }
}
