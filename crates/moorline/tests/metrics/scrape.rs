//! A scrape of `/metrics` as a test reads it, and the names that texts about it use.

use std::collections::{BTreeMap, BTreeSet};

/// One metric under the name that queries use.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// Names of labels that its samples have, `le` left out.
    pub(crate) labels: BTreeSet<String>,
}

/// What one scrape told.
pub(crate) struct Scrape {
    pub(crate) families: BTreeMap<String, Family>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "the scrape is not whole:\n{text}");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, kind) = told.split_once(' ').unwrap();
                let name = exposed(name, kind);
                let family = Family { kind: kind.into(), labels: BTreeSet::new() };
                assert!(families.insert(name.clone(), family).is_none(), "{name} is there twice");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                samples.insert(series.to_owned(), value.parse().unwrap());
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let family =
                    families.get_mut(&base(name, |name| families_have(text, name))).unwrap();
                let names = labels.split("\",").filter_map(|label| label.split_once('='));
                let names = names.map(|(name, _)| name.to_owned()).filter(|name| name != "le");
                family.labels.extend(names);
            }
        }
        Self { families, samples }
    }

    /// A sample's value; 0 where there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or(0.0)
    }

    /// Names in a text, as of a query, that this scrape does not have.
    pub(crate) fn unknown_in(&self, text: &str) -> BTreeSet<String> {
        let named = names_in(text).into_iter();
        let named = named.map(|name| base(&name, |name| self.families.contains_key(name)));
        named.filter(|name| !self.families.contains_key(name)).collect()
    }

    /// The same scrape as Prometheus' older text form, which `promtool check metrics` reads.
    pub(crate) fn plain(text: &str) -> String {
        let mut plain = String::new();
        let kinds: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        for line in text.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF") {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", what, name, rest] => {
                    let kind = kinds.get(name).copied().unwrap_or_default();
                    let rest = if rest == "info" { "gauge" } else { rest };
                    plain.push_str(&format!("# {what} {} {rest}\n", exposed(name, kind)));
                }
                _ => plain.push_str(&format!("{line}\n")),
            }
        }
        plain
    }
}

/// Every metric of ours that a text names.
pub(crate) fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("moorline_")).map(str::to_owned).collect()
}

/// OpenMetrics tells a counter and an info without the end that their samples have.
fn exposed(name: &str, kind: &str) -> String {
    match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

/// The metric that a sample is of: a histogram has several.
fn base(name: &str, is_known: impl Fn(&str) -> bool) -> String {
    let ends = ["_bucket", "_sum", "_count"];
    let shorter = ends.iter().find_map(|end| name.strip_suffix(end));
    shorter.filter(|shorter| is_known(shorter)).unwrap_or(name).to_owned()
}

fn families_have(text: &str, name: &str) -> bool {
    text.contains(&format!("# TYPE {name} histogram\n"))
}
