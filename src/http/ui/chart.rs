//! Charts, drawn on the server with attributes only: a style in a page would be refused.

use super::text::PageText;
use super::view::counted_of;

/// A chart of bars, with its table.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What a bar stands for, and what its height is, as the heads of the table.
    pub(super) heads: (&'static str, &'static str),
    /// What it shows, for who does not see it.
    pub(super) summary: String,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) floor: usize,
    pub(super) bars: Vec<Bar>,
}

#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) name: PageText,
    pub(super) count: String,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

const WIDTH: usize = 600;
const HEIGHT: usize = 120;
/// One bar alone is no wall.
const WIDEST: usize = 80;
/// Room between two bars.
const GAP: usize = 2;

impl Chart {
    /// Columns side by side, as for days.
    pub(super) fn columns(
        title: &'static str,
        heads: (&'static str, &'static str),
        values: &[(String, usize)],
    ) -> Self {
        let most = values.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let sum: usize = values.iter().map(|(_, count)| *count).sum();
        let step = WIDTH / values.len().max(1);
        let bars = values.iter().enumerate().map(|(n, (name, count))| {
            let height = count.saturating_mul(HEIGHT) / most.max(1);
            // What is little is still something.
            let height = if *count > 0 { height.max(1) } else { 0 };
            Bar {
                name: PageText::of(name),
                count: counted_of(*count),
                x: n * step,
                y: HEIGHT - height,
                width: step.saturating_sub(GAP).clamp(1, WIDEST),
                height,
            }
        });
        let bars = bars.collect();
        let summary = format!("{title}: {sum} in all, at most {most} at a time");
        Self { title, heads, summary, width: WIDTH, height: HEIGHT + 1, floor: HEIGHT, bars }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_chart_and_nothing_is_drawn_outside() {
        let values: Vec<_> = (0..30).map(|n| (format!("day {n}"), n * 7)).collect();

        let chart = Chart::columns("Stored", ("Day", "Stored"), &values);

        assert_eq!(chart.bars[29].height, HEIGHT);
        assert_eq!(chart.bars[0].height, 0);
        assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= WIDTH && bar.y <= HEIGHT));
        let none = Chart::columns("Stored", ("Day", "Stored"), &[]);
        assert!(none.bars.is_empty());
    }
}
