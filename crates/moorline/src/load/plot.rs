//! Lines over time as SVG, drawn here, so that a report opens without anything from outside. Faults are marked.

use std::fmt::Write;

/// The drawing's own units; it fits any width.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers at the left, and for the times below.
const LEFT: f64 = 64.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;
/// Points of a line; of a longer run, the highest of each stretch is drawn.
const POINTS: usize = 600;
/// Numbers at the left, beside 0.
const STEPS: u32 = 4;

/// A line.
pub(super) struct Line {
    pub(super) name: &'static str,
    /// Seconds, and what was then.
    pub(super) points: Vec<(f64, f64)>,
}

/// Something that happened.
pub(super) struct Mark {
    pub(super) name: &'static str,
    /// In seconds.
    pub(super) at: f64,
    pub(super) lasted: f64,
}

/// Where a moment and a value stand in the drawing.
struct Scale {
    seconds: f64,
    top: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        LEFT + at.clamp(0.0, self.seconds) / self.seconds * (WIDTH - LEFT - 10.0)
    }

    fn y(&self, value: f64) -> f64 {
        ABOVE + (1.0 - value / self.top) * (HEIGHT - ABOVE - BELOW)
    }
}

/// A drawing of these lines.
pub(super) fn plot(title: &str, unit: &str, lines: &[Line], marks: &[Mark]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let seconds = points().map(|point| point.0).fold(1.0, f64::max);
    let top = nice(points().map(|point| point.1).fold(0.0, f64::max));
    let scale = Scale { seconds, top };
    let mut svg = format!(
        "<figure><figcaption>{} ({})</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(title),
        escape(unit),
        escape(title)
    );
    for mark in marks {
        let (from, to) = (scale.x(mark.at), scale.x(mark.at + mark.lasted));
        let _ = writeln!(
            svg,
            "<rect class=\"fault\" x=\"{from:.1}\" y=\"{ABOVE}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} at {:.0} s</title></rect>",
            (to - from).max(1.5),
            HEIGHT - ABOVE - BELOW,
            escape(mark.name),
            mark.at
        );
    }
    svg += &grid(&scale);
    for (number, line) in lines.iter().enumerate() {
        let drawn: Vec<String> = thinned(&line.points)
            .iter()
            .map(|(at, value)| format!("{:.1},{:.1}", scale.x(*at), scale.y(*value)))
            .collect();
        let _ = writeln!(svg, "<polyline class=\"line{number}\" points=\"{}\"/>", drawn.join(" "));
    }
    svg += "</svg>\n<p class=\"key\">";
    for (number, line) in lines.iter().enumerate() {
        let _ = write!(svg, "<span class=\"key{number}\">{}</span> ", escape(line.name));
    }
    if !marks.is_empty() {
        svg += "<span class=\"keyfault\">faults</span>";
    }
    svg + "</p></figure>\n"
}

/// Lines across with their values, and the times below.
fn grid(scale: &Scale) -> String {
    let mut svg = String::new();
    for step in 0..=STEPS {
        let share = f64::from(step) / f64::from(STEPS);
        let (value, at) = (scale.top * share, scale.seconds * share);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\
             <text x=\"{5:.1}\" y=\"{6}\" text-anchor=\"middle\">{7:.0} s</text>",
            WIDTH - 10.0,
            scale.y(value),
            LEFT - 6.0,
            scale.y(value) + 4.0,
            number(value),
            scale.x(at).min(WIDTH - 24.0),
            HEIGHT - 6.0,
            at
        );
    }
    svg
}

/// Text that cannot be taken for anything else in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// The next round number, so that the steps below it are round too.
fn nice(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().find(|round| round * power >= value);
    round.unwrap_or(10.0) * power
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{:.4} M", value / 1e6).replace(".0000", ""),
        _ if value >= 10.0 || value == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil(POINTS).max(1);
    let highest = |some: &[(f64, f64)]| some.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(stretch).filter_map(highest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_plot_is_round_and_above_everything() {
        for (value, top) in
            [(0.0, 1.0), (0.3, 0.4), (1.0, 1.0), (7.0, 8.0), (81.0, 100.0), (2_300.0, 4_000.0)]
        {
            assert!((nice(value) - top).abs() < 1e-9, "{value} gives {}", nice(value));
        }
    }

    #[test]
    fn of_a_long_run_the_peaks_stay() {
        let points: Vec<(f64, f64)> =
            (0..10_000).map(|at| (f64::from(at), if at == 7_777 { 9.0 } else { 1.0 })).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS, "{}", thin.len());
        assert!(thin.iter().any(|point| point.1 == 9.0));
        assert!(thinned(&[]).is_empty());
    }

    #[test]
    fn a_fault_is_a_mark_with_its_name() {
        let line = Line { name: "p99", points: vec![(0.0, 1.0), (10.0, 2.0)] };
        let svg = plot("a <b>", "ms", &[line], &[Mark { name: "storm", at: 5.0, lasted: 1.0 }]);
        assert!(
            svg.contains("<title>storm at 5 s</title>") && svg.contains("a &lt;b&gt;"),
            "{svg}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
