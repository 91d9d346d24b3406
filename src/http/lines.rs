use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::engine::{FileLine, LineCutter};
use crate::error::Error;
use crate::http::body::{BodyRules, refuse_encoding};

/// A body read line by line. The whole may be of any size; of a line that is too long nothing is kept.
pub(super) struct Lines {
    payload: Payload,
    patience: Duration,
    cutter: LineCutter,
    ready: VecDeque<FileLine>,
    is_over: bool,
}

impl FromRequest for Lines {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let rules = request.app_data::<BodyRules>().copied().unwrap_or_default();
        let lines = Self {
            payload: payload.take(),
            patience: rules.timeout,
            cutter: LineCutter::default(),
            ready: VecDeque::new(),
            is_over: false,
        };
        ready(refuse_encoding(request).map(|()| lines))
    }
}

impl Lines {
    /// The next line; nothing after the last. Each piece of the body has to arrive within the read
    /// timeout.
    pub(super) async fn next(&mut self) -> Option<Result<FileLine, Error>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.read().await {
                self.is_over = true;
                return Some(Err(error));
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let piece = timeout(self.patience, self.payload.next()).await;
        match piece.map_err(|_| Error::BodyTimeout)? {
            Some(piece) => {
                self.ready.extend(self.cutter.cut(&piece.map_err(|_| Error::BodyBroken)?));
            }
            None => {
                self.is_over = true;
                self.ready.extend(self.cutter.end());
            }
        }
        Ok(())
    }
}
