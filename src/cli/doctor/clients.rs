//! Which clients of this machine are told of the server, and whether what they are told works.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Finding;
use crate::auth::ServerFile;
use crate::cli::arguments::ServerArguments;
use crate::cli::connect::found::{FoundClient, base_of, found, key_in, program_of, token_in};
use crate::cli::connect::probe;
use crate::cli::connect::target::Target;
use crate::cli::daemon::ServerUrl;
use crate::clients::KnownClient;
use crate::config::{Config, Surroundings};

const CHECK: &str = "clients";

/// Where this server is, for those who ask whether somebody else means it.
struct Here {
    base: String,
    authorities: Vec<PathBuf>,
    file: Option<ServerFile>,
    public: Option<String>,
    runs: bool,
}

/// A finding for every client whose file is here.
pub(super) async fn all(config: &Config, around: &Surroundings, runs: bool) -> Vec<Finding> {
    let nobody = ServerArguments { url: None, ca: None, key: None };
    let target = Target::find(config, &nobody, None).ok();
    let (base, authorities) =
        target.map(|target| (target.base, target.authorities)).unwrap_or_default();
    let file = ServerFile::read(&config.server.run_dir);
    let public = config.server.public_url.clone();
    let here = Here { base, authorities, file, public, runs };
    let mut findings = Vec::new();
    for client in found(around, &here.base) {
        findings.extend(look(&here, &client).await);
    }
    findings
}

async fn look(here: &Here, client: &FoundClient) -> Vec<Finding> {
    let FoundClient { client: KnownClient { id, title, .. }, path, servers, .. } = client;
    let path = path.display();
    let connect = format!("memoryd connect {id}");
    let servers = match servers {
        Ok(servers) if servers.is_empty() => {
            let told = format!("{title} ({path}) is told of no memoryd; {connect} does it");
            return vec![Finding::ok(CHECK, told)];
        }
        Ok(servers) => servers,
        Err(problem) => {
            let todo = "mend the file; the client cannot read it either";
            return vec![Finding::warn(CHECK, format!("{title}: {path} {problem}"), todo)];
        }
    };
    let mut findings = Vec::new();
    for (name, entry) in servers {
        let told = format!("{title} calls it {name}");
        findings.push(match here.tried(entry).await {
            Ok(outcome) => Finding::ok(CHECK, format!("{told}: {outcome}")),
            Err(problem) => Finding::fail(CHECK, format!("{told}: {problem}"), connect.as_str()),
        });
        if client.is_open_to_others && token_in(entry).is_some() {
            let told = format!("others on this machine can read {path}, and the token in it");
            findings.push(Finding::warn(CHECK, told, format!("chmod 600 {path}")));
        }
    }
    findings
}

impl Here {
    /// Goes the way of the client, where that way leads here and can be gone.
    async fn tried(&self, entry: &Value) -> Result<String, String> {
        if let Some(program) = program_of(entry) {
            return tried_program(&program, key_in(entry).as_deref()).await;
        }
        let base = base_of(entry).unwrap_or_default();
        if !self.is_here(&base) {
            return Ok(format!("it means another server, {base}"));
        }
        if !self.runs {
            return Ok("not tried, for no server runs".to_owned());
        }
        let Some(key) = key_in(entry) else {
            return Ok("not tried, for its key stands elsewhere".to_owned());
        };
        let tools = probe::over_http(&base, self.authorities.clone(), &key).await?;
        Ok(format!("{tools} tools answer"))
    }

    fn is_here(&self, base: &str) -> bool {
        let url = ServerUrl::parse(base).ok();
        let leads = url.zip(self.file.as_ref()).is_some_and(|(url, file)| url.leads_to(file));
        leads || base == self.base || self.public.as_deref() == Some(base)
    }
}

/// Nothing is started but this very program.
async fn tried_program(program: &[String], key: Option<&str>) -> Result<String, String> {
    let path = program.first().map(Path::new).unwrap_or(Path::new(""));
    if !path.is_file() {
        return Err(format!("{} is not there", path.display()));
    }
    let own = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let is_own = std::fs::canonicalize(path).ok().is_some_and(|path| Some(path) == own);
    match key.filter(|_| is_own) {
        Some(key) => Ok(format!("{} tools answer", probe::over_stdio(program, key).await?)),
        None => Ok(format!("not tried, it starts {}", path.display())),
    }
}
