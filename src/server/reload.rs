use std::sync::Arc;
use std::time::Duration;

use actix_web::{rt, web};

use super::StartError;
use crate::config::Config;
use crate::tls::Reloader;

/// How soon a changed certificate is served.
const LOOK: Duration = Duration::from_secs(2);

/// The certificate that is served, renewed from its files.
#[derive(Clone)]
pub(super) struct Certificates {
    reloader: Arc<Reloader>,
}

impl Certificates {
    /// Reads the pair of the settings; nothing when TLS is off.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, StartError> {
        let Some((certificate, key)) = config.tls.files() else { return Ok(None) };
        let reloader = Arc::new(Reloader::open(certificate, key)?);
        Ok(Some(Self { reloader }))
    }

    pub(super) fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Looks at the files from time to time. A broken new pair leaves the old one in place.
    pub(super) async fn watch(self) {
        let mut looks = rt::time::interval(LOOK);
        loop {
            looks.tick().await;
            let reloader = Arc::clone(&self.reloader);
            match web::block(move || reloader.refresh()).await {
                Ok(Ok(true)) => log::info!("the certificate has changed and is served now"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => log::error!("the old certificate stays: {error}"),
                Err(_) => return,
            }
        }
    }

    pub(super) fn force(&self) {
        match self.reloader.force() {
            Ok(()) => log::info!("the certificate was read again"),
            Err(error) => log::error!("the old certificate stays: {error}"),
        }
    }
}
