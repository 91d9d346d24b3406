use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;
use crate::model::Secret;

/// A self-hosted memory server for AI assistants.
#[derive(Debug, Clone, Parser)]
#[command(name = "memoryd", version, about, disable_help_subcommand = true)]
pub(super) struct CommandLine {
    /// Print a new key and exit
    #[arg(long)]
    pub(super) generate_key: bool,

    /// Print results as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,

    /// Port to listen on, or `auto` for the first free one from 8501 to 8999 [default: 3000]
    #[arg(long, global = true, value_name = "PORT")]
    port: Option<String>,

    /// Where everything is stored [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Settings file [default: for `serve` ./config.toml; then the data directory's own, if it was
    /// named; then /etc/memoryd/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Accept this key (may be given several times)
    #[arg(long, global = true, value_name = "KEY", allow_hyphen_values = true)]
    api_key: Vec<String>,

    /// Take the keys from MCP_API_KEY or MCP_API_KEYS, and fail if there are none
    #[arg(long, global = true)]
    env_keys: bool,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Verb {
    /// Serve MCP and REST (what happens without a verb)
    Serve,

    /// Serve MCP over standard input and output
    Stdio(StdioArguments),

    /// Make a local certificate authority and a server certificate
    Certs(CertsArguments),

    /// Write all memories of a user as JSON Lines
    Export(ExportArguments),

    /// Read memories from JSON Lines
    Import(ImportArguments),

    /// Verify the store; the server must not be running
    Check,

    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct StdioArguments {
    /// The server to forward to [default: the one that runs on the data directory]
    #[arg(long)]
    pub(super) url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CertsArguments {
    /// Where the files go
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub(super) out: PathBuf,

    /// Another name or address that the certificate is for (may be given several times). Those of
    /// this machine and those of the present certificate are kept by themselves
    #[arg(long, value_name = "NAME")]
    pub(super) name: Vec<String>,

    /// Make a new authority, which every client must then be told to trust
    #[arg(long)]
    pub(super) new_ca: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ExportArguments {
    /// Whose memories [default: the default user's]
    #[arg(long, value_name = "USER")]
    pub(super) user_id: Option<String>,

    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArguments {
    /// The file to read, or `-` for standard input
    pub(super) file: PathBuf,

    /// Whose memories they become [default: the default user's]
    #[arg(long, value_name = "USER")]
    pub(super) user_id: Option<String>,
}

impl CommandLine {
    pub(super) fn verb(&self) -> Verb {
        self.verb.clone().unwrap_or(Verb::Serve)
    }

    pub(super) fn flags(&self) -> Flags {
        Flags {
            host: self.host.clone(),
            port: self.port.clone(),
            data_dir: self.data_dir.clone(),
            config: self.config.clone(),
            api_keys: self.api_key.iter().cloned().map(Secret::new).collect(),
            env_keys: self.env_keys,
            log_level: None,
            log_file: None,
        }
    }
}
