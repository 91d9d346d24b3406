//! What the service manager that started this process wants to hear of it: systemd's `sd_notify`.

use std::time::Duration;

use super::Surroundings;

/// Where a service manager listens, and how often it wants a sign of life. Without one there is
/// neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supervisor {
    /// A path, or behind an `@` a name that no file has.
    pub socket: Option<String>,
    /// Longer than this without a sign of life, and the process is ended and started anew.
    pub watchdog: Option<Duration>,
}

impl Supervisor {
    /// Looks at what surrounds the process of this number. A sign of life that another process was
    /// asked for is not ours to give.
    #[must_use]
    pub fn of(around: &Surroundings, pid: u32) -> Self {
        let socket = around.variable("NOTIFY_SOCKET").filter(|name| name.starts_with(['/', '@']));
        let pid_meant = around.variable("WATCHDOG_PID");
        let is_meant = pid_meant.is_none_or(|meant| meant.parse::<u32>() == Ok(pid));
        let micros = around.variable("WATCHDOG_USEC").and_then(|text| text.parse::<u64>().ok());
        let micros = micros.filter(|micros| is_meant && *micros > 0);
        Self { socket: socket.map(str::to_owned), watchdog: micros.map(Duration::from_micros) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const OWN: u32 = 7;

    fn supervisor(env: &[(&str, &str)]) -> Supervisor {
        Supervisor::of(&Surroundings::only(PathBuf::from("."), env), OWN)
    }

    #[test]
    fn a_service_manager_says_where_it_listens_and_how_often_it_wants_a_sign() {
        let told = supervisor(&[
            ("NOTIFY_SOCKET", "/run/systemd/notify"),
            ("WATCHDOG_USEC", "60000000"),
            ("WATCHDOG_PID", "7"),
        ]);

        assert_eq!(told.socket.as_deref(), Some("/run/systemd/notify"));
        assert_eq!(told.watchdog, Some(Duration::from_secs(60)));
        assert_eq!(supervisor(&[("NOTIFY_SOCKET", "@name")]).socket.as_deref(), Some("@name"));
    }

    #[test]
    fn what_is_for_another_process_or_makes_no_sense_is_not_there() {
        assert_eq!(supervisor(&[]), Supervisor::default());
        for odd in [
            &[("NOTIFY_SOCKET", "")][..],
            &[("NOTIFY_SOCKET", "vsock:2:1234")],
            &[("WATCHDOG_USEC", "0")],
            &[("WATCHDOG_USEC", "soon")],
            &[("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "8")],
        ] {
            assert_eq!(supervisor(odd), Supervisor::default(), "{odd:?}");
        }
    }
}
