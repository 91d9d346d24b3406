//! `memoryd open`: a link that signs a browser in, once. Who can ask for it sits at the machine of the
//! server, or has a key that may do everything.

use actix_web::http::Method;
use serde_json::{Map, Value};

use super::accounts::{Question, plain, send, text};
use super::arguments::OpenArguments;
use super::daemon::Daemon;
use super::waiting::wait_for;
use super::{Failed, Outcome, elsewhere, say_inline, say_json, tell};
use crate::auth::ServerFile;
use crate::config::Config;

pub(super) fn run(config: &Config, arguments: &OpenArguments, wants_json: bool) -> Outcome {
    let told = wait_for(ask(config, arguments))?;
    let base = match &arguments.server.url {
        Some(url) => url.base().to_owned(),
        None => own_address(config)?,
    };
    let url = format!("{base}{}", text(&told, "path"));
    let seconds = told.get("expires_in").map(plain).unwrap_or_default();
    if wants_json {
        let mut told = told;
        if let Some(told) = told.as_object_mut() {
            told.insert("url".to_owned(), Value::from(url));
        }
        return say_json(&told);
    }
    say_inline(&url)?;
    tell(&format!(
        "open it within {seconds} s; it is good once. Without a script, type this where a key is asked for: {}",
        text(&told, "code")
    ));
    Ok(())
}

async fn ask(config: &Config, arguments: &OpenArguments) -> Result<Value, Failed> {
    let Some(daemon) = Daemon::of(&arguments.server, config).await? else {
        elsewhere::refuse(config, &arguments.server).await?;
        return Err(no_server());
    };
    let path = "/admin/browser-link".to_owned();
    send(&daemon, &Question { method: Method::POST, path, named: Map::new() }).await
}

/// Where a browser of this machine finds the server.
fn own_address(config: &Config) -> Result<String, Failed> {
    let file = ServerFile::read(&config.server.run_dir).ok_or_else(no_server)?;
    Ok(format!("{}://{}", file.scheme, file.address()))
}

fn no_server() -> Failed {
    Failed::new("no server runs with this data directory; start one with memoryd serve".to_owned())
}
