//! Figures of memoryd and of others, taken in turns, and how many times theirs ours are.

use std::iter;

use serde_json::{Value, json};

use crate::report::{Unit, aligned, median};

/// Who is compared. The first is what the others are held against.
pub(crate) const CONTENDERS: [&str; 3] = ["memoryd", "FTS5, a commit an add", "FTS5, group commit"];

/// One measure of everyone that took part in it.
#[derive(Debug)]
pub(crate) struct Comparison {
    what: String,
    unit: Unit,
    /// The figures of each round, in the order of [`CONTENDERS`]. The last may be missing in all of them.
    rounds: Vec<Vec<f64>>,
}

impl Comparison {
    pub(crate) fn new(what: &str, unit: Unit, rounds: Vec<Vec<f64>>) -> Self {
        Self { what: what.to_owned(), unit, rounds }
    }

    /// The median of the rounds, if this one took part.
    fn median_of(&self, at: usize) -> Option<f64> {
        let figures: Vec<f64> =
            self.rounds.iter().filter_map(|round| round.get(at).copied()).collect();
        (!figures.is_empty()).then(|| median(&figures))
    }

    /// Ours as a multiple of theirs: only what ran in one round is held against each other.
    fn ratio_to(&self, at: usize) -> Option<f64> {
        let ratio = |round: &Vec<f64>| Some(round.first()? / round.get(at)?);
        let ratios: Vec<f64> = self.rounds.iter().filter_map(ratio).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    fn cells(&self) -> Vec<String> {
        let show = |unit: Unit, figure: Option<f64>| figure.map(|figure| unit.show(figure));
        let medians = (0..CONTENDERS.len()).map(|at| show(self.unit, self.median_of(at)));
        let ratios = (1..CONTENDERS.len()).map(|at| show(Unit::Ratio, self.ratio_to(at)));
        let figures = medians.chain(ratios).map(Option::unwrap_or_default);
        iter::once(self.what.clone()).chain(figures).collect()
    }

    pub(crate) fn json(&self) -> Value {
        let each = |at: usize| {
            json!({
                "name": CONTENDERS[at],
                "median": self.median_of(at),
                "memoryd_is": self.ratio_to(at),
                "runs": self.rounds.iter().filter_map(|round| round.get(at)).collect::<Vec<_>>(),
            })
        };
        let contenders: Vec<Value> = (0..CONTENDERS.len()).map(each).collect();
        json!({ "measure": self.what, "unit": self.unit.name(), "contenders": contenders })
    }
}

/// Markdown: everyone's medians, and of each other one how many times its figure ours is.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let ratios = CONTENDERS.into_iter().skip(1).map(|name| format!("memoryd : {name}"));
    let titles = iter::once("side by side").chain(CONTENDERS).map(str::to_owned);
    let mut lines: Vec<Vec<String>> = vec![titles.chain(ratios).collect()];
    lines.extend(comparisons.iter().map(Comparison::cells));
    aligned(lines)
}
