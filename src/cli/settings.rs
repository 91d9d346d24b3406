//! `memoryd config`: the settings as they count, and who said so.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, say_inline, say_json, tell};
use crate::config::Loaded;

#[derive(Debug, Clone, Args)]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigVerb {
    /// Print every setting as it counts for `serve` in this folder; of secrets only that they are set
    Print {
        /// Say of each who gave it: a file, a variable, a flag, or nobody
        #[arg(long)]
        sources: bool,
    },
}

/// Prints the settings, and beside them what there is to say about them.
pub(super) fn run(loaded: &Loaded, arguments: &ConfigArguments, wants_json: bool) -> Outcome {
    let ConfigVerb::Print { sources } = arguments.verb;
    let settings = loaded.config.effective();
    if wants_json {
        let told = |level| {
            let notices = loaded.notices.iter().filter(move |notice| notice.level == level);
            notices.map(|notice| notice.text.as_str()).collect::<Vec<_>>()
        };
        let settings: Vec<Value> = settings
            .iter()
            .map(|one| json!({ "key": one.key, "value": one.value, "source": one.source }))
            .collect();
        let (warnings, notices) = (told(log::Level::Warn), told(log::Level::Info));
        return say_json(
            &json!({ "settings": settings, "warnings": warnings, "notices": notices }),
        );
    }
    for setting in settings {
        let line = format!("{} = {}", setting.key, setting.value);
        match sources {
            true => say_inline(&format!("{line:<60}  # {}", setting.source))?,
            false => say_inline(&line)?,
        }
    }
    for notice in &loaded.notices {
        tell(&format!("{}: {}", notice.level.as_str().to_lowercase(), notice.text));
    }
    Ok(())
}
