use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{rt, web};

use super::StartError;
use crate::config::Config;
use crate::http::CertificateSource;
use crate::model::{CertificateState, Clock, Timestamp};
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
    /// What its owner was told last. Finding it asks the disk, which requests must not.
    problems: Arc<Mutex<Vec<String>>>,
}

impl Certificates {
    /// Reads the pair of the settings, and logs what its owner should see to; nothing when TLS is off.
    pub(super) fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, StartError> {
        let Some((certificate, key)) = config.tls.files() else { return Ok(None) };
        let reloader = Arc::new(Reloader::open(certificate, key)?);
        let certificates = Self { reloader, clock: Arc::clone(clock), problems: Arc::default() };
        certificates.remind();
        Ok(Some(certificates))
    }

    pub(super) fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Where the routes learn how things stand with it.
    pub(super) fn source(&self) -> CertificateSource {
        let certificates = self.clone();
        Arc::new(move || certificates.state(certificates.clock.now()))
    }

    fn state(&self, now: Timestamp) -> CertificateState {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CertificateState { problems, ..self.reloader.state(now) }
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

    /// Logs how things stand and what the owner should see to, and returns the time of it.
    fn remind(&self) -> Timestamp {
        let now = self.clock.now();
        log::info!("{}", self.reloader.state(now));
        let problems: Vec<String> =
            self.reloader.concerns(now).iter().map(ToString::to_string).collect();
        problems.iter().for_each(|problem| log::warn!("{problem}"));
        *self.problems.lock().unwrap_or_else(PoisonError::into_inner) = problems;
        now
    }
}
