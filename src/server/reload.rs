use std::sync::Arc;
use std::time::Duration;

use actix_web::{rt, web};

use super::StartError;
use crate::config::Config;
use crate::model::{Clock, Timestamp};
use crate::tls::Reloader;

/// How soon a changed certificate is served.
const LOOK: Duration = Duration::from_secs(2);

/// How often the owner is told what to see to.
const REMIND: Duration = Duration::from_secs(86_400);

/// The certificate that is served, renewed from its files.
#[derive(Clone)]
pub(super) struct Certificates {
    reloader: Arc<Reloader>,
    clock: Arc<dyn Clock>,
}

impl Certificates {
    /// Reads the pair of the settings, and logs what its owner should see to; nothing when TLS is off.
    pub(super) fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, StartError> {
        let Some((certificate, key)) = config.tls.files() else { return Ok(None) };
        let reloader = Arc::new(Reloader::open(certificate, key)?);
        let certificates = Self { reloader, clock: Arc::clone(clock) };
        certificates.remind();
        Ok(Some(certificates))
    }

    pub(super) fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Looks at the files from time to time. A broken new pair leaves the old one in place.
    pub(super) async fn watch(self) {
        let mut looks = rt::time::interval(LOOK);
        let mut reminded = self.clock.now();
        loop {
            looks.tick().await;
            let reloader = Arc::clone(&self.reloader);
            match web::block(move || reloader.refresh()).await {
                Ok(Ok(true)) => {
                    log::info!("the certificate has changed and is served now");
                    reminded = self.remind();
                }
                Ok(Ok(false)) if self.clock.now().since(reminded) < REMIND => {}
                Ok(Ok(false)) => reminded = self.remind(),
                Ok(Err(error)) => log::error!("the old certificate stays: {error}"),
                Err(_) => return,
            }
        }
    }

    pub(super) fn force(&self) {
        match self.reloader.force() {
            Ok(()) => {
                log::info!("the certificate was read again");
                self.remind();
            }
            Err(error) => log::error!("the old certificate stays: {error}"),
        }
    }

    /// Logs what the owner should see to, and returns the time of it.
    fn remind(&self) -> Timestamp {
        let now = self.clock.now();
        for concern in self.reloader.concerns(now) {
            log::warn!("{concern}");
        }
        now
    }
}
