use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::engine::{FileLine, LineCutter};
use crate::error::Error;
use crate::http::body::{BodyRules, has_media_type, is_json, refuse_encoding};

/// A body read line by line. The whole may be of any size; of a line that is too long nothing is kept.
pub(super) struct Lines {
    payload: Payload,
    pace: Pace,
    cutter: LineCutter,
    ready: VecDeque<FileLine>,
    is_over: bool,
}

/// What JSON Lines are called: no name of them is registered. One line alone is JSON.
const NAMES: [&str; 5] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-lines",
];

/// Bytes that have to come in as long a time of waiting as one piece of a body may take. Whoever sends
/// less holds a connection rather than bringing something.
const LEAST_BYTES: usize = 4 * 1024;

/// How fast a body comes, which may be as large as it likes and so has no time for the whole.
struct Pace {
    patience: Duration,
    waited: Duration,
    bytes: usize,
}

impl Lines {
    /// A body that says that it is lines.
    pub(super) fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Error> {
        if is_lines(request.headers()) {
            Self::of_anything(request, payload)
        } else {
            Err(Error::NotJsonLines)
        }
    }

    /// A body of any type.
    pub(super) fn of_anything(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Error> {
        refuse_encoding(request)?;
        let rules = request.app_data::<BodyRules>().copied().unwrap_or_default();
        Ok(Self {
            payload: payload.take(),
            pace: Pace::new(rules.timeout),
            cutter: LineCutter::default(),
            ready: VecDeque::new(),
            is_over: false,
        })
    }

    /// All of it, if it has no more bytes than that.
    pub(super) async fn whole(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            if whole.len().saturating_add(piece.len()) > limit {
                return Err(Error::BodyTooLarge { limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

fn is_lines(headers: &HeaderMap) -> bool {
    is_json(headers) || has_media_type(headers, |kind| NAMES.contains(&kind))
}

impl Lines {
    /// The next line; nothing after the last. Each piece of the body has to arrive within the read
    /// timeout, and enough of them together.
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
        match self.piece().await? {
            Some(piece) => self.ready.extend(self.cutter.cut(&piece)),
            None => {
                self.is_over = true;
                self.ready.extend(self.cutter.end());
            }
        }
        Ok(())
    }

    /// What comes next of the body, whatever is in it.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let start = Instant::now();
        let piece = timeout(self.pace.patience, self.payload.next()).await;
        let Some(piece) = piece.map_err(|_| Error::BodyTimeout)? else { return Ok(None) };
        let piece = piece.map_err(|_| Error::BodyBroken)?;
        if !self.pace.keeps(start.elapsed(), piece.len()) {
            return Err(Error::BodyTimeout);
        }
        Ok(Some(piece))
    }
}

impl Pace {
    fn new(patience: Duration) -> Self {
        Self { patience, waited: Duration::ZERO, bytes: 0 }
    }

    /// Notes a piece and how long it was waited for. Returns whether it still comes fast enough. What
    /// the server itself takes in between is not counted.
    fn keeps(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < self.patience {
            return true;
        }
        let enough = self.bytes >= LEAST_BYTES;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_body_that_trickles_is_given_up_and_a_slow_one_is_not() {
        let second = Duration::from_secs(1);
        let lasts = |bytes: usize| {
            let mut pace = Pace::new(30 * second);
            (0..300).take_while(|_| pace.keeps(second, bytes)).count()
        };

        assert_eq!(lasts(1), 29);
        assert_eq!(lasts(LEAST_BYTES / 30 + 1), 300);
        let mut patient = Pace::new(30 * second);
        assert!((0..300).all(|_| patient.keeps(Duration::ZERO, 1)), "nobody waited for it");
    }

    #[test]
    fn lines_have_several_names_and_a_form_is_none_of_them() {
        let takes = |line: &str| {
            let request = TestRequest::post().insert_header(("Content-Type", line));
            is_lines(request.to_http_request().headers())
        };

        assert!(is_lines(TestRequest::post().to_http_request().headers()));
        for name in NAMES {
            assert!(takes(name) && takes(&format!("{name}; charset=utf-8")), "{name}");
        }
        assert!(takes("application/json"));
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/x-ndjson; charset=utf-16",
        ] {
            assert!(!takes(other), "{other}");
        }
    }
}
