//! The figures, as a table for people and as JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::comparison::{self, Comparison};
use crate::load::Load;

/// As the goals count, and as disks are sold: a million bytes.
pub(crate) const MEGABYTE: f64 = 1e6;

/// A machine with nothing else to do stays far below this, one with other work far above.
const BUSY: f64 = 0.1;

/// All rows in the order in which they were measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    comparisons: Vec<Comparison>,
    notes: Vec<String>,
    /// The shares of its time for which each bare loop waited for a processor.
    starved: Vec<f64>,
}

/// One measure with the figure of each of its runs.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    runs: Vec<f64>,
    /// The medians of p50 and p99, where single answers were timed.
    latency_ms: Option<(f64, f64)>,
    /// Whether it is met is left open where the machine was too busy to tell.
    goal: Option<(&'static str, Option<bool>)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Microseconds,
    Megabytes,
    Bytes,
    Ratio,
}

impl Report {
    pub(crate) fn new(machine: Vec<(&'static str, String)>) -> Self {
        Self {
            machine,
            rows: Vec::new(),
            comparisons: Vec::new(),
            notes: Vec::new(),
            starved: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn compare(&mut self, comparison: Comparison) {
        self.comparisons.push(comparison);
    }

    /// Says what is missing, and why.
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    /// Takes the share of its time for which a bare loop waited for a processor.
    pub(crate) fn starved(&mut self, share: f64) {
        self.starved.push(share);
    }

    /// Ends the report. Where other work took the processors away, no goal of time is judged.
    pub(crate) fn finish(&mut self, whole: Duration) {
        self.machine.push(("whole run", format!("{:.0} s", whole.as_secs_f64())));
        if self.starved.is_empty() {
            self.note("this kernel does not tell whether the machine was busy with other work");
            return;
        }
        let worst = self.starved.iter().copied().fold(0.0, f64::max);
        let shares =
            format!("{:.0} %, at most {:.0} %", 100.0 * median(&self.starved), 100.0 * worst);
        self.machine.push(("bare loops waited for a processor", shares));
        if worst > BUSY {
            self.note(
                "the machine was busy with other work, so no goal of time is judged; a bare loop \
                 without a processor makes the ratio meaningless",
            );
            let timed = self.rows.iter_mut().filter(|row| !matches!(row.unit, Unit::Megabytes));
            for goal in timed.filter_map(|row| row.goal.as_mut()) {
                goal.1 = None;
            }
        }
    }

    /// Markdown: the machine, the figures, and the comparisons where there are any.
    pub(crate) fn table(&self) -> String {
        let titles = ["measure", "median", "p50", "p99", "lowest to highest run", "goal", "met"];
        let mut lines = vec![Vec::from(titles.map(str::to_owned))];
        lines.extend(self.rows.iter().map(|row| Vec::from(row.cells())));

        let mut text = String::new();
        for (name, value) in &self.machine {
            // Writing to memory does not fail.
            let _ = writeln!(text, "- {name}: {value}");
        }
        text.push('\n');
        text.push_str(&aligned(lines));
        if !self.comparisons.is_empty() {
            text.push('\n');
            text.push_str(&comparison::table(&self.comparisons));
        }
        for note in &self.notes {
            let _ = writeln!(text, "\nNote: {note}");
        }
        text
    }
    pub(crate) fn json(&self) -> Value {
        let machine: serde_json::Map<String, Value> =
            self.machine.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let compared: Vec<Value> = self.comparisons.iter().map(Comparison::json).collect();
        json!({ "machine": machine, "rows": rows, "compared": compared, "notes": self.notes })
    }
}

impl Row {
    pub(crate) fn new(what: &str, unit: Unit, runs: Vec<f64>) -> Self {
        Self { what: what.to_owned(), unit, runs, latency_ms: None, goal: None }
    }

    /// A row of answers per second, and of how long they took.
    pub(crate) fn of_loads(what: &str, loads: &[Load]) -> Self {
        let median_ms = |pick: fn(&Load) -> Duration| {
            median(&loads.iter().map(|load| pick(load).as_secs_f64() * 1e3).collect::<Vec<_>>())
        };
        let latency_ms = (median_ms(|load| load.p50), median_ms(|load| load.p99));
        let runs = loads.iter().map(|load| load.per_second).collect();
        Self { latency_ms: Some(latency_ms), ..Self::new(what, Unit::PerSecond, runs) }
    }
    pub(crate) fn with_goal(self, goal: &'static str, is_met: bool) -> Self {
        Self { goal: Some((goal, Some(is_met))), ..self }
    }
    pub(crate) fn median(&self) -> f64 {
        median(&self.runs)
    }

    /// The medians of p50 and p99.
    pub(crate) fn latency_ms(&self) -> (f64, f64) {
        self.latency_ms.unwrap_or_default()
    }

    fn cells(&self) -> [String; 7] {
        let (p50, p99) = match self.latency_ms {
            Some((p50, p99)) => (Unit::Milliseconds.show(p50), Unit::Milliseconds.show(p99)),
            None => Default::default(),
        };
        let spread = match self.runs.as_slice() {
            [_] => "one run".to_owned(),
            runs => {
                let lowest = runs.iter().copied().fold(f64::INFINITY, f64::min);
                let highest = runs.iter().copied().fold(0.0, f64::max);
                format!("{} to {}", self.unit.show(lowest), self.unit.show(highest))
            }
        };
        let (goal, is_met) = match self.goal {
            Some((goal, Some(true))) => (goal, "yes"),
            Some((goal, Some(false))) => (goal, "no"),
            Some((goal, None)) => (goal, "?"),
            None => Default::default(),
        };
        let median = self.unit.show(self.median());
        [self.what.clone(), median, p50, p99, spread, goal.to_owned(), is_met.to_owned()]
    }

    fn json(&self) -> Value {
        json!({
            "measure": self.what,
            "unit": self.unit.name(),
            "median": self.median(),
            "runs": self.runs,
            "p50_ms": self.latency_ms.map(|(p50, _)| p50),
            "p99_ms": self.latency_ms.map(|(_, p99)| p99),
            "goal": self.goal.map(|(goal, _)| goal),
            "met": self.goal.and_then(|(_, is_met)| is_met),
        })
    }
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Megabytes => "MB",
            Self::Bytes => "bytes",
            Self::Ratio => "",
        }
    }

    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Milliseconds if value >= 100.0 => format!("{value:.0} ms"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Microseconds => format!("{value:.0} us"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Bytes => format!("{value:.0} bytes"),
            Self::Ratio => format!("{value:.2}"),
        }
    }
}

/// A table of Markdown, the first line its titles, aligned so that it also reads well on a terminal.
pub(crate) fn aligned(mut lines: Vec<Vec<String>>) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |n: usize| lines.iter().map(|line| line[n].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let mut text = String::new();
    for line in lines {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to memory does not fail.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
    }
    text
}

/// The middle one, or the mean of the two in the middle; zero of nothing.
pub(crate) fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[upper],
        _ => f64::midpoint(sorted[upper - 1], sorted[upper]),
    }
}
