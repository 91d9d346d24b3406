use std::time::Duration;

use crate::config::HttpSection;

/// Descriptors for the store, the log, and what else is opened now and then.
const RESERVE: u64 = 128;
/// More would only queue for the workers.
const MOST: usize = 8192;
/// A household, even on a machine that allows next to nothing.
const LEAST: usize = 16;
/// Browsers open six and agents a few; this leaves room for a house behind one address.
const MOST_PER_ADDRESS: usize = 256;
const LEAST_PER_ADDRESS: usize = 8;

/// What is allowed of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// All connections together.
    pub total: usize,
    /// Those of one address; this machine and trusted proxies speak for many and are not counted.
    pub per_address: usize,
    /// Requests at a time on one of them.
    pub streams: usize,
    /// Of answers that wait for their readers, on all of them.
    pub unread_bytes: usize,
    /// How long a piece of an answer may wait for its reader.
    pub patience: Duration,
    /// How long a connection may stay without a request: what the time between two requests leaves
    /// open, such as a head that never ends.
    pub idle: Duration,
}

impl ConnectionBounds {
    /// What the settings want, as far as it leaves the store half of the open files and a reserve.
    #[must_use]
    pub fn new(http: &HttpSection, open_files: u64) -> Self {
        // Two descriptors each.
        let possible = (open_files / 2).saturating_sub(RESERVE) / 2;
        let possible = usize::try_from(possible).unwrap_or(usize::MAX).max(LEAST);
        let total = http.connections.unwrap_or(MOST).min(possible);
        let usual = (total / 4).clamp(LEAST_PER_ADDRESS, MOST_PER_ADDRESS);
        Self {
            total,
            per_address: http.connections_per_address.unwrap_or(usual),
            streams: http.streams,
            unread_bytes: http.unread_bytes,
            patience: http.unread_timeout,
            idle: http.keep_alive.saturating_add(http.head_timeout),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Config, Flags, Reader, Surroundings};

    /// What these settings allow where so many files may be open.
    pub(in crate::http::front) fn bounds(
        open_files: u64,
        env: &[(&str, &str)],
    ) -> ConnectionBounds {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings::only(dir.path().to_owned(), env);
        let config = Config::load(&Flags::default(), &around, Reader::Serve).unwrap().config;
        ConnectionBounds::new(&config.http, open_files)
    }

    #[test]
    fn the_store_always_keeps_half_of_the_open_files() {
        for env in [&[][..], &[("HTTP_CONNECTIONS", "262144")]] {
            for open_files in [1_024, 4_096, 20_000, 1 << 20, u64::MAX] {
                let taken = u64::try_from(bounds(open_files, env).total).unwrap() * 2;
                assert!(taken + RESERVE <= open_files / 2, "{open_files}: {taken}");
            }
        }
        let usual = bounds(1_024, &[]);
        assert_eq!((usual.total, usual.per_address), (192, 48));
        assert_eq!((bounds(64, &[]).total, bounds(u64::MAX, &[]).total), (LEAST, MOST));
    }

    #[test]
    fn whoever_wants_other_numbers_gets_them() {
        let other = bounds(
            1 << 20,
            &[
                ("HTTP_CONNECTIONS", "20000"),
                ("HTTP_CONNECTIONS_PER_ADDRESS", "3"),
                ("HTTP_STREAMS", "10"),
                ("HTTP_UNREAD_BYTES", "8 MiB"),
                ("HTTP_UNREAD_TIMEOUT", "7"),
                ("HTTP_KEEP_ALIVE", "20"),
                ("HTTP_HEAD_TIMEOUT", "3"),
            ],
        );

        assert_eq!((other.total, other.per_address, other.streams), (20_000, 3, 10));
        assert_eq!(other.unread_bytes, 8 << 20);
        assert_eq!((other.patience.as_secs(), other.idle.as_secs()), (7, 23));
    }
}
