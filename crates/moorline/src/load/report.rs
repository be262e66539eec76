//! The report: one HTML file with the verdict, the figures and the plots. Nothing in it comes from outside, and nothing that
//! anybody wrote is taken for anything but text.

use std::fmt::Write;

use moorline_load::meter::Second;
use moorline_load::run::Outcome;

use super::plot::{Line, Mark, escape, plot};
use super::{Phase, said};
use crate::soak::Verdict;

/// Bytes of violations and their lines that are shown; all of them are in the JSON.
const SHOWN: usize = 20;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--pale:#d5d9de;--ok:#116329;--bad:#a40e26;--c0:#0550ae;--c1:#bc4c00;--c2:#6639ba}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--pale:#3d444d;--ok:#3fb950;--bad:#ff7b72;--c0:#79c0ff;--c1:#ffa657;--c2:#d2a8ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
.ok{color:var(--ok)}.bad{color:var(--bad)}
pre{overflow-x:auto;padding:.75rem;border:1px solid var(--pale);font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:1.5rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--ink)}
.grid{stroke:var(--pale)}.fault{fill:var(--bad);opacity:.25}
polyline{fill:none;stroke-width:1.5}.line0{stroke:var(--c0)}.line1{stroke:var(--c1)}.line2{stroke:var(--c2)}
.key span{margin-right:1rem}.key0{color:var(--c0)}.key1{color:var(--c1)}.key2{color:var(--c2)}.keyfault{color:var(--bad)}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--pale);vertical-align:top}
";

/// The whole file.
pub(super) fn html(title: &str, phases: &[Phase]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
        escape(title)
    );
    for phase in phases {
        page += &section(phase);
    }
    page + "</body>\n</html>\n"
}

fn section(phase: &Phase) -> String {
    let outcome = &phase.outcome;
    let (class, word) = match (phase.ok, &phase.verdict) {
        (true, Some(_)) => ("ok", "every promise that was put to the test was kept"),
        (true, None) => ("ok", "everything was acknowledged and delivered"),
        (false, _) => ("bad", "not everything is as it must be"),
    };
    let mut text = format!(
        "<h2>{}</h2>\n<p class=\"{class}\"><strong>{word}</strong></p>\n<p>{}</p>\n",
        escape(&phase.name),
        escape(&outcome.nodes.join(", "))
    );
    for found in &phase.faults_found {
        let _ = writeln!(text, "<p class=\"bad\">{}</p>", escape(found));
    }
    let _ = writeln!(text, "<pre>{}</pre>", escape(&said::figures(&phase.name, outcome)));
    text += &plots(outcome);
    if let Some(verdict) = &phase.verdict {
        text += &decided(verdict);
    }
    text
}

fn plots(outcome: &Outcome) -> String {
    let line = |name, value: fn(&Second) -> f64| Line {
        name,
        points: outcome.timeline.iter().map(|second| (second.at, value(second))).collect(),
    };
    let marks: Vec<Mark> = outcome
        .faults
        .iter()
        .map(|fault| Mark { name: fault.name, at: fault.at, lasted: fault.lasted })
        .collect();
    let mut text = plot(
        "Time since a message was meant to be sent",
        "ms",
        &[
            line("ack, half", |second| second.ack.p50_ms),
            line("ack, 99 of 100", |second| second.ack.p99_ms),
            line("in another window, 99 of 100", |second| second.delivery.p99_ms),
        ],
        &marks,
    );
    text += &plot(
        "Messages",
        "a second",
        &[
            line("sent", |second| second.sent as f64),
            line("acknowledged", |second| second.ack.count as f64),
        ],
        &marks,
    );
    let delivered = [line("delivered", |second| second.delivery.count as f64)];
    text += &plot("Deliveries to other windows", "a second", &delivered, &marks);
    let connected = [line("connected windows", |second| second.connected as f64)];
    text += &plot("Connected windows", "number", &connected, &marks);
    if outcome.memory_bytes.is_some() {
        let memory =
            |second: &Second| second.load.map_or(0.0, |load| load.memory_bytes as f64 / 1e6);
        text += &plot("Memory of the server", "MB", &[line("in use", memory)], &marks);
        text += &plot("Processor of the server", "cores", &[cpu(&outcome.timeline)], &marks);
    }
    text
}

/// What a sum of seconds says of each of them.
fn cpu(timeline: &[Second]) -> Line {
    let between = |two: &[Second]| {
        let used = two[1].load?.cpu_seconds - two[0].load?.cpu_seconds;
        Some((two[1].at, used.max(0.0) / (two[1].at - two[0].at).max(0.1)))
    };
    Line { name: "busy", points: timeline.windows(2).filter_map(between).collect() }
}

fn decided(verdict: &Verdict) -> String {
    let mut text = String::from("<h3>The contract</h3>\n<table>\n");
    let said = verdict.text();
    let lines = said.lines().filter(|line| line.starts_with('I'));
    for (promise, how) in lines.filter_map(|line| line.split_once(' ')) {
        let class = if how.starts_with("BROKEN") { "bad" } else { "" };
        let _ = writeln!(
            text,
            "<tr><th>{}</th><td class=\"{class}\">{}</td></tr>",
            escape(promise),
            escape(how)
        );
    }
    let _ = writeln!(text, "</table>\n<p>{}</p>", escape(said.lines().next().unwrap_or("")));
    for violation in verdict.violations.iter().take(SHOWN) {
        let what = format!("{:?}: {}", violation.promise, violation.text);
        let lines = violation.history.join("\n");
        let _ =
            writeln!(text, "<p class=\"bad\">{}</p>\n<pre>{}</pre>", escape(&what), escape(&lines));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::{Promise, Violation, judge};

    const WRITTEN: &str = "<script>alert('1')</script>\"&";

    fn phase() -> Phase {
        let mut verdict = judge(&b""[..]).unwrap();
        let (lines, history) = (vec![1], vec![WRITTEN.to_owned()]);
        verdict.violations =
            vec![Violation { promise: Promise::I4, text: WRITTEN.into(), lines, history }];
        let second = Second { at: 1.0, connected: 3, ..Second::default() };
        let outcome = Outcome {
            nodes: vec![WRITTEN.into()],
            refused: [(WRITTEN.to_owned(), 1)].into(),
            timeline: vec![second],
            ..Outcome::default()
        };
        let (name, faults_found) = (WRITTEN.to_owned(), vec![WRITTEN.to_owned()]);
        Phase { name, ok: false, faults_found, outcome, verdict: Some(verdict), history: None }
    }

    #[test]
    fn what_people_wrote_is_shown_and_never_run() {
        let page = html(WRITTEN, &[phase()]);
        assert!(!page.contains("<script") && !page.contains("alert('"), "{page}");
        let shown =
            page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;").count();
        assert!(
            shown >= 6,
            "title, heading, name, node, refusal, finding, violation, line: {shown}"
        );
    }

    #[test]
    fn a_report_asks_nobody_for_anything() {
        let page = html("A soak", &[phase()]);
        assert!(page.contains("default-src 'none'"));
        for outside in ["http:", "https:", " src=", " href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_run_that_was_too_short_to_measure_has_a_report_too() {
        let (name, outcome) = ("none".to_owned(), Outcome::default());
        let phase =
            Phase { name, ok: true, faults_found: vec![], outcome, verdict: None, history: None };
        let page = html("Nothing", &[phase]);
        assert!(page.contains("<svg") && !page.contains("NaN"), "{page}");
    }
}
