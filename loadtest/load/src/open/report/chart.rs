//! Lines over an axis, as SVG that takes its colours from the page.

use std::fmt::Write as _;

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// About so many lines across.
const TICKS: f64 = 5.0;

/// One line of a chart: a name, a class for its colour, and its points.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
    /// Places and names along the bottom.
    pub(super) marks: Vec<(f64, String)>,
    /// How a height is told.
    pub(super) tell: fn(f64) -> String,
}

impl Chart {
    /// Whether there is anything to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.len() < 2)
    }

    pub(super) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = points().map(|(_, y)| *y).fold(0.0, f64::max);
        let step = step(most);
        let top = (most / step).ceil().max(1.0) * step;
        let first = points().map(|(x, _)| *x).fold(f64::MAX, f64::min);
        let last = points().map(|(x, _)| *x).fold(f64::MIN, f64::max);
        let span = (last - first).max(f64::EPSILON);
        let place = |(x, y): (f64, f64)| {
            let across = LEFT + (x - first) / span * (WIDTH - LEFT - RIGHT);
            let down = TOP + (1.0 - y / top) * (HEIGHT - TOP - BOTTOM);
            (across, down)
        };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        );
        self.draw_grid(&mut svg, (top, step), &place);
        for line in &self.lines {
            draw_line(&mut svg, line, &place);
        }
        svg.push_str("</svg>");
        svg
    }

    /// The names of the lines.
    pub(super) fn legend(&self) -> String {
        let names = self
            .lines
            .iter()
            .map(|line| format!("<span class=\"key {}\">{}</span>", line.class, line.name));
        names.collect()
    }

    fn draw_grid(
        &self,
        svg: &mut String,
        (top, step): (f64, f64),
        place: &impl Fn((f64, f64)) -> (f64, f64),
    ) {
        let mut height = 0.0;
        while height <= top + step / 2.0 {
            let (_, y) = place((0.0, height));
            // Writing to a string does not fail.
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                (self.tell)(height)
            );
            height += step;
        }
        for (at, name) in &self.marks {
            let (x, _) = place((*at, 0.0));
            let _ = write!(
                svg,
                "<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{name}</text>",
                HEIGHT - 8.0
            );
        }
    }
}

fn draw_line(svg: &mut String, line: &Line, place: &impl Fn((f64, f64)) -> (f64, f64)) {
    let places = line.points.iter().map(|point| place(*point));
    let path: Vec<_> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        "<polyline class=\"{}\" points=\"{}\"><title>{}</title></polyline>",
        line.class,
        path.join(" "),
        line.name
    );
}

/// A round distance: 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let rough = (most / TICKS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0];
    let fitting = round.into_iter().find(|times| times * power >= rough);
    fitting.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_round() {
        let cases = [(10.0, 2.0), (1234.0, 500.0), (0.9, 0.2), (50.0, 10.0)];
        for (most, expected) in cases {
            assert!(
                (step(most) - expected).abs() < 1e-9,
                "{most}: {}",
                step(most)
            );
        }
    }

    #[test]
    fn nothing_measured_is_still_a_drawing() {
        let chart = Chart {
            title: "nothing".to_owned(),
            lines: vec![Line {
                name: "none",
                class: "a",
                points: Vec::new(),
            }],
            marks: Vec::new(),
            tell: |value| value.to_string(),
        };
        assert!(chart.is_empty());
        let svg = chart.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
