//! The table that the benchmark ends with, and the same as JSON.

use serde_json::{Value, json};

use crate::figures::{median, spread};

/// What a row's score must reach.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// The median must be at least this.
    AtLeast(f64),
    /// The median must be at most this.
    AtMost(f64),
    /// Printed for the reader, without a verdict.
    None,
}

/// One line of the table: what was measured in each pair, and what is asked of it.
pub(crate) struct Row {
    /// What the row is about.
    pub(crate) name: &'static str,
    /// Unit of `product` and `bare`.
    pub(crate) unit: &'static str,
    /// The product's value in each pair.
    pub(crate) product: Vec<f64>,
    /// The bare server's value in each pair; empty where the row has no such side.
    pub(crate) bare: Vec<f64>,
    /// How the score is made of the two.
    pub(crate) score_is: &'static str,
    /// The score of each pair.
    pub(crate) score: Vec<f64>,
    /// What is asked of its median.
    pub(crate) bar: Bar,
    /// Where we want to get.
    pub(crate) goal: Option<f64>,
    /// What the reader must know: the load's share, an index that lags.
    pub(crate) notes: Vec<String>,
    /// Why the row counts for nothing.
    pub(crate) void: Option<String>,
}

impl Row {
    /// A row that could not be measured, or whose histories are not as they must be.
    pub(crate) fn void(name: &'static str, why: String) -> Row {
        Row {
            name,
            unit: "-",
            product: Vec::new(),
            bare: Vec::new(),
            score_is: "",
            score: Vec::new(),
            bar: Bar::None,
            goal: None,
            notes: Vec::new(),
            void: Some(why),
        }
    }

    /// Whether the row reaches its bar; a void one does not.
    pub(crate) fn passes(&self) -> bool {
        let score = median(&self.score);
        let reached = match self.bar {
            Bar::AtLeast(bar) => score >= bar,
            Bar::AtMost(bar) => score <= bar,
            Bar::None => true,
        };
        self.void.is_none() && reached
    }

    fn verdict(&self) -> &'static str {
        match (&self.void, self.bar, self.passes()) {
            (Some(_), ..) => "VOID",
            (None, Bar::None, _) => "-",
            (None, _, true) => "pass",
            (None, _, false) => "FAIL",
        }
    }

    fn bar_text(&self) -> String {
        let bar = match self.bar {
            Bar::AtLeast(bar) => format!(">= {}", short(bar)),
            Bar::AtMost(bar) => format!("<= {}", short(bar)),
            Bar::None => "-".to_owned(),
        };
        self.goal.map_or(bar.clone(), |goal| format!("{bar} (goal {})", short(goal)))
    }

    fn cells(&self) -> [String; 7] {
        let side = |values: &[f64]| match values {
            [] => "-".to_owned(),
            values => short(median(values)),
        };
        let (score, spread) = match self.score.as_slice() {
            [] => ("-".to_owned(), "-".to_owned()),
            score => {
                let (least, most) = spread(score);
                let median = format!("{} {}", short(median(score)), self.score_is);
                (median, format!("{} .. {}", short(least), short(most)))
            }
        };
        [
            format!("{} [{}]", self.name, self.unit),
            side(&self.product),
            side(&self.bare),
            score,
            spread,
            self.bar_text(),
            self.verdict().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "unit": self.unit, "product": self.product, "bare": self.bare,
            "score_is": self.score_is, "score": self.score, "median": median(&self.score),
            "bar": self.bar_text(), "verdict": self.verdict(), "notes": self.notes,
            "void": self.void,
        })
    }
}

/// Four digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The table as text.
pub(crate) fn table(rows: &[Row]) -> String {
    let heads = ["row", "product", "bare", "score (median)", "spread", "bar", "verdict"];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    for row in rows {
        for note in row.notes.iter().chain(&row.void) {
            text.push_str(&format!("  {}: {note}\n", row.name));
        }
    }
    text
}

/// Everything as JSON.
pub(crate) fn json(rows: &[Row], facts: &[String]) -> Value {
    json!({ "machine": facts, "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(score: &[f64], bar: Bar, void: Option<&str>) -> Row {
        Row {
            name: "fan-out",
            unit: "deliveries",
            product: vec![70.0],
            bare: vec![100.0],
            score_is: "of bare",
            score: score.to_vec(),
            bar,
            goal: None,
            notes: Vec::new(),
            void: void.map(str::to_owned),
        }
    }

    #[test]
    fn the_median_is_held_against_the_bar() {
        assert!(row(&[0.6, 0.7, 0.9], Bar::AtLeast(0.7), None).passes());
        assert!(!row(&[0.6, 0.69, 0.9], Bar::AtLeast(0.7), None).passes());
        assert!(row(&[3.0], Bar::AtMost(3.0), None).passes());
        assert!(!row(&[3.1], Bar::AtMost(3.0), None).passes());
    }

    #[test]
    fn a_void_row_never_passes_and_says_why() {
        let row = row(&[9.0], Bar::AtLeast(0.7), Some("connection 3 got 4 instead of 5"));
        assert!(!row.passes());
        let text = table(&[row]);
        assert!(text.contains("VOID") && text.contains("connection 3 got 4"), "{text}");
    }
}
