use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::body::{BodyRules, refuse_encoding};

/// One line may hold a memory with all its versions, which is more than one ordinary body.
const LINE_LIMIT: usize = 16 << 20;

/// A body read line by line. The whole may be of any size; a line may not.
pub(super) struct Lines {
    payload: Payload,
    patience: Duration,
    line_limit: usize,
    ready: VecDeque<Vec<u8>>,
    rest: BytesMut,
    /// So much of the rest was searched for the end of its line already.
    searched: usize,
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
            line_limit: rules.limit.max(LINE_LIMIT),
            ready: VecDeque::new(),
            rest: BytesMut::new(),
            searched: 0,
            is_over: false,
        };
        ready(refuse_encoding(request).map(|()| lines))
    }
}

impl Lines {
    /// The next line without its end; nothing after the last. Each piece of the body has to arrive
    /// within the read timeout.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
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
            Some(piece) => self.rest.extend_from_slice(&piece.map_err(|_| Error::BodyBroken)?),
            None => {
                self.is_over = true;
                self.ready.push_back(self.rest.split().to_vec());
                return Ok(());
            }
        }
        while let Some(end) = self.rest.iter().skip(self.searched).position(|byte| *byte == b'\n') {
            let mut line = self.rest.split_to(self.searched + end + 1).to_vec();
            line.pop();
            self.ready.push_back(line);
            self.searched = 0;
        }
        self.searched = self.rest.len();
        if self.rest.len() > self.line_limit {
            return Err(Error::BodyTooLarge { limit: self.line_limit });
        }
        Ok(())
    }
}
