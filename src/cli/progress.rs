use indicatif::{ProgressBar, ProgressStyle};

use crate::store::Progress;

/// Shows long work as a bar on a terminal; elsewhere it stays silent.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = "{msg} {wide_bar} {percent}% {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Work whose end is not known, counted in things done.
    pub(super) fn counting(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self { bar }
    }
}

impl Progress for Bar {
    fn start(&self, task: &str, total: u64) {
        self.bar.set_length(total);
        self.bar.set_message(task.to_owned());
    }

    fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
