//! Which server a client is told of, and by what ways it is reached.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::auth::{ServerFile, seen_from_here};
use crate::cli::arguments::ServerArguments;
use crate::cli::{Failed, Outcome};
use crate::clients::Reach;
use crate::config::{Config, Host, Port};

/// A server as a client of this machine gets to it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Target {
    /// Without `/mcp`, and without a final slash. Empty where the port is not known before a server runs.
    pub(in crate::cli) base: String,
    /// Whom one has to trust beside the authorities of the system, as whole paths.
    pub(in crate::cli) authorities: Vec<PathBuf>,
    program: Vec<String>,
}

/// What `memoryd certs` calls its authority, beside the certificate.
const AUTHORITY: &str = "ca.pem";

impl Target {
    /// The server that was named, else the one of the data directory, running or as it is set up.
    pub(in crate::cli) fn find(
        config: &Config,
        server: &ServerArguments,
        config_file: Option<&Path>,
    ) -> Result<Self, Failed> {
        let named = server.ca.iter().chain(&config.tls.authority);
        let mut authorities: Vec<PathBuf> = named.map(|path| absolute(path)).collect();
        let mut program = vec![own_program()?, "stdio".to_owned()];
        let base = if let Some(url) = &server.url {
            program.extend(["--url".to_owned(), url.base().to_owned()]);
            if let Some(authority) = authorities.first() {
                program.extend(["--ca".to_owned(), text(authority)?]);
            }
            url.base().to_owned()
        } else {
            program.extend(["--data-dir".to_owned(), text(&absolute(&config.server.data_dir))?]);
            if let Some(file) = config_file {
                program.extend(["--config".to_owned(), text(&absolute(file))?]);
            }
            let running = ServerFile::read(&config.server.run_dir);
            let certificate = match &running {
                Some(running) => running.certificate.as_deref(),
                None => config.tls.cert_path.as_deref().filter(|_| config.tls.enabled),
            };
            let beside = certificate.and_then(Path::parent).map(|folder| folder.join(AUTHORITY));
            authorities.extend(beside.filter(|path| path.is_file()).map(|path| absolute(&path)));
            local_base(config, running.as_ref()).unwrap_or_default()
        };
        Ok(Self { base, authorities, program })
    }

    /// Fails where there is no URL that a client could be told.
    pub(super) fn require_url(&self) -> Outcome {
        if !self.base.is_empty() {
            return Ok(());
        }
        Err(Failed::new(
            "no server runs on this data directory, and its port is not a fixed one; start it with memoryd \
             serve, set server.port (PORT), or name a server with --url"
                .to_owned(),
        ))
    }

    /// What a client is told, with its key.
    pub(super) fn reach(&self, key: &str) -> Reach {
        let Self { base, program, .. } = self;
        Reach { base: base.clone(), key: key.to_owned(), program: program.clone() }
    }

    /// What a client starts that speaks over standard input and output.
    pub(super) fn program(&self) -> &[String] {
        &self.program
    }

    /// The authority that a client has to be told of, if there is one.
    pub(super) fn authority(&self) -> Option<String> {
        let is_https = self.base.starts_with("https:");
        let first = self.authorities.first().filter(|_| is_https);
        first.map(|path| path.display().to_string())
    }
}

/// By what a client on the same machine reaches the server of the data directory; nothing where that is
/// found out at its start.
fn local_base(config: &Config, running: Option<&ServerFile>) -> Option<String> {
    let is_https = running.map_or(config.tls.enabled, |server| server.scheme == "https");
    let port = match (running, config.server.port) {
        (Some(server), _) => server.port,
        (None, Port::Number(port)) if port != 0 => port,
        (None, _) => return None,
    };
    if is_https {
        // Its certificate is for names.
        let local = || format!("https://localhost:{port}");
        return Some(config.server.public_url.clone().unwrap_or_else(local));
    }
    let address = match (running, &config.server.host) {
        (Some(server), _) => server.address(),
        (None, Host::Address(address)) => seen_from_here(SocketAddr::new(*address, port)),
        (None, Host::Name(name)) => return Some(format!("http://{name}:{port}")),
    };
    Some(format!("http://{address}"))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path as JSON and TOML can hold it.
fn text(path: &Path) -> Result<String, Failed> {
    let refusal =
        || Failed::new(format!("{} is not UTF-8, and no client can be told of it", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(refusal)
}

fn own_program() -> Result<String, Failed> {
    text(&std::env::current_exe().map_err(Failed::because)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::daemon::ServerUrl;
    use crate::config::{Flags, Reader, Surroundings};

    fn found(env: &[(&str, &str)], url: Option<&str>) -> Result<Target, Failed> {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings::only(dir.path().to_owned(), env);
        let config = Config::load(&Flags::default(), &around, Reader::Verb).unwrap().config;
        let url = url.map(|url| ServerUrl::parse(url).unwrap());
        Target::find(&config, &ServerArguments { url, ca: None, key: None }, None)
    }

    #[test]
    fn a_server_that_does_not_run_is_where_the_settings_put_it() {
        let base = |env: &[(&str, &str)]| found(env, None).unwrap().base;
        let dir = ("DATA_DIR", "/nowhere/data");

        assert_eq!(base(&[dir]), "http://127.0.0.1:3000");
        assert_eq!(base(&[dir, ("PORT", "8501"), ("HOST", "0.0.0.0")]), "http://127.0.0.1:8501");
        assert_eq!(base(&[dir, ("HOST", "::1")]), "http://[::1]:3000");
        let tls = [("SSL_CERT_PATH", "/c/s.pem"), ("SSL_KEY_PATH", "/c/k.pem")];
        assert_eq!(base(&[dir, tls[0], tls[1]]), "https://localhost:3000");
        let public = ("PUBLIC_URL", "https://memory.example.com");
        assert_eq!(base(&[dir, tls[0], tls[1], public]), public.1);
        assert!(found(&[dir, ("PORT", "auto")], None).unwrap().require_url().is_err());
    }

    #[test]
    fn a_program_is_told_of_the_data_or_of_the_server() {
        let near = found(&[("DATA_DIR", "/nowhere/data")], None).unwrap();
        let far =
            found(&[("SSL_CERT_FILE", "/c/ca.pem")], Some("https://nas.lan:3000/mcp")).unwrap();

        assert_eq!(near.program()[1..], ["stdio", "--data-dir", "/nowhere/data"]);
        assert_eq!(
            far.program()[1..],
            ["stdio", "--url", "https://nas.lan:3000", "--ca", "/c/ca.pem"]
        );
        assert_eq!(far.authority().as_deref(), Some("/c/ca.pem"));
        assert_eq!(near.authority(), None);
    }
}
