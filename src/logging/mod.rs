//! The log: one line per event, to standard error or to a file that may be renamed away.
//!
//! It refuses a filter that cannot be read, and no line: a log that cannot be written goes to
//! standard error.
//!
//! Begin reading at [`start`].

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use env_logger::{Builder, Logger, Target};

use crate::model::Clock;

mod file;
mod filter;
mod line;

use file::LogFile;

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error(
        "log level {found:?} is unknown; expected off, error, warn, info, debug or trace, \
         or a list such as info,memoryd::http=debug"
    )]
    Filter { found: String },

    #[error("the log was already started in this process")]
    AlreadyStarted,
}

/// The running log. Letting go of it does not stop it.
#[derive(Debug, Clone)]
pub struct Log {
    file: Option<Arc<Mutex<LogFile>>>,
}

/// Starts the log of this process. The filter is a level, or directives as `RUST_LOG` has them.
///
/// A file that cannot be opened is no fault: standard error says so once and takes the lines.
pub fn start(
    filter: &str,
    file: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<Log, LoggingError> {
    let filter = filter::parse(filter)?;
    let file = file.map(|path| Arc::new(Mutex::new(LogFile::open(path, Box::new(io::stderr())))));
    let target = match &file {
        Some(file) => Target::Pipe(Box::new(Shared(Arc::clone(file)))),
        None => Target::Stderr,
    };
    let logger = build(&filter, target, clock);
    let level = logger.filter();
    log::set_boxed_logger(Box::new(logger)).map_err(|_| LoggingError::AlreadyStarted)?;
    log::set_max_level(level);
    Ok(Log { file })
}

/// Tells the person at the terminal what the guides of older servers promise: a line `INFO: text`
/// on standard output. Never while standard output belongs to a protocol.
pub fn announce(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody listens any more when this fails, so there is nobody to tell.
    let _ = writeln!(out, "INFO: {}", line::escaped(text)).and_then(|()| out.flush());
}

impl Log {
    /// Opens the file anew, as after SIGHUP. A renamed file is noticed without this, at the next
    /// line.
    pub fn reopen(&self) {
        if let Some(file) = &self.file {
            file.lock().unwrap_or_else(PoisonError::into_inner).reopen();
        }
    }
}

fn build(filter: &str, target: Target, clock: Arc<dyn Clock>) -> Logger {
    Builder::new()
        .parse_filters(filter)
        .format(move |out, record| out.write_all(line::of(record, clock.now()).as_bytes()))
        .target(target)
        .build()
}

/// The file as env_logger wants it.
struct Shared(Arc<Mutex<LogFile>>);

impl Write for Shared {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::{Level, Log as _, Record};

    use super::*;
    use crate::model::SystemClock;

    #[test]
    fn the_filter_decides_and_the_file_gets_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let file = Arc::new(Mutex::new(LogFile::open(&path, Box::new(io::sink()))));
        let target = Target::Pipe(Box::new(Shared(Arc::clone(&file))));
        let logger = build("warn,memoryd::http=debug", target, Arc::new(SystemClock));

        for (level, target) in
            [(Level::Info, "sled"), (Level::Warn, "sled"), (Level::Debug, "memoryd::http")]
        {
            let args = format_args!("hello");
            logger.log(&Record::builder().level(level).target(target).args(args).build());
        }

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.get(25..).unwrap()).collect();
        assert_eq!(lines, ["WARN  sled hello", "DEBUG memoryd::http hello"]);
    }
}
