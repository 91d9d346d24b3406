//! The server with the fixtures of the MCP conformance suite. Never part of a release.

use std::process::ExitCode;

fn main() -> ExitCode {
    memoryd::cli::run_with_fixtures()
}
