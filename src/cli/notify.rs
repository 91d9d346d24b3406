//! Tells a service manager how it goes, in systemd's protocol of `sd_notify`: a datagram for each
//! change, of lines `NAME=value`. Where there is no service manager nothing is sent.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use actix_web::rt;

use crate::config::Supervisor;

/// A service manager reads at once; one that hangs must not hang the server.
const PATIENCE: Duration = Duration::from_millis(100);

/// The way to the service manager, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Notifier {
    supervisor: Supervisor,
}

impl Notifier {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor }
    }

    /// Says what a start is waiting for: mending a large store takes a while.
    pub(super) fn starting(&self) {
        self.tell("STATUS=opening the store");
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what is under way");
    }

    /// Says that clients can connect, and from then on gives a sign of life twice in each span in
    /// which one is wanted. It has to run on the main loop: if that stands still, no sign comes, and
    /// the service manager starts the server anew.
    pub(super) async fn serving(self, address: SocketAddr) {
        self.tell(&format!("READY=1\nSTATUS=serving on {address}"));
        let Some(span) = self.supervisor.watchdog else { return };
        let mut beat = rt::time::interval(span / 2);
        loop {
            beat.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    /// A service manager that cannot be reached is no reason not to serve.
    fn tell(&self, state: &str) {
        let Some(name) = &self.supervisor.socket else { return };
        if let Err(error) = send(name, state.as_bytes()) {
            log::warn!("cannot tell the service manager at {name} how it goes: {error}");
        }
    }
}

/// By a socket of its own each time: whoever listens may have been started anew meanwhile.
fn send(name: &str, state: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    match name.strip_prefix('@') {
        Some(name) => send_to_name(&socket, name, state)?,
        None => socket.send_to(state, name)?,
    };
    Ok(())
}

#[cfg(target_os = "linux")]
fn send_to_name(socket: &UnixDatagram, name: &str, state: &[u8]) -> io::Result<usize> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    socket.send_to_addr(state, &SocketAddr::from_abstract_name(name)?)
}

/// Only Linux has sockets that are no files.
#[cfg(not(target_os = "linux"))]
fn send_to_name(_: &UnixDatagram, _: &str, _: &[u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(socket: &str) -> Notifier {
        Notifier::new(Supervisor { socket: Some(socket.to_owned()), watchdog: None })
    }

    fn received(by: &UnixDatagram) -> String {
        let mut bytes = [0; 200];
        let length = by.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn a_service_manager_hears_of_the_start_the_serving_and_the_stop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = notifier(path.to_str().unwrap());

        notifier.starting();
        notifier.clone().serving("127.0.0.1:3000".parse().unwrap()).await;
        notifier.stopping();

        assert_eq!(received(&manager), "STATUS=opening the store");
        assert_eq!(received(&manager), "READY=1\nSTATUS=serving on 127.0.0.1:3000");
        assert!(received(&manager).starts_with("STOPPING=1\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_may_have_a_name_that_is_no_file() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("memoryd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();

        notifier(&format!("@{name}")).stopping();

        assert!(received(&manager).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn a_service_manager_that_is_gone_hinders_nobody() {
        notifier("/nowhere/at/all").starting();
        Notifier::new(Supervisor::default()).starting();
    }
}
