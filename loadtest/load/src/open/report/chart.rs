//! Lines over an axis, as SVG that takes its colours from the page.

use std::fmt::Write as _;

const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// About so many lines across.
const TICKS: f64 = 5.0;

/// How much room a chart has: letters keep their size, so that a small screen gets another drawing.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    class: &'static str,
    width: f64,
    height: f64,
    /// Names along the bottom that fit.
    marks_max: usize,
}

pub(super) const SHAPES: [Shape; 2] = [
    Shape {
        class: "broad",
        width: 880.0,
        height: 260.0,
        marks_max: 9,
    },
    Shape {
        class: "narrow",
        width: 380.0,
        height: 240.0,
        marks_max: 4,
    },
];

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

    /// For whichever screen it is looked at on.
    pub(super) fn drawings(&self) -> String {
        SHAPES.map(|shape| self.svg(shape)).concat()
    }

    fn svg(&self, shape: Shape) -> String {
        let Shape { width, height, .. } = shape;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = points().map(|(_, y)| *y).fold(0.0, f64::max);
        let step = step(most);
        let top = (most / step).ceil().max(1.0) * step;
        let first = points().map(|(x, _)| *x).fold(f64::MAX, f64::min);
        let last = points().map(|(x, _)| *x).fold(f64::MIN, f64::max);
        let span = (last - first).max(f64::EPSILON);
        let place = |(x, y): (f64, f64)| {
            let across = LEFT + (x - first) / span * (width - LEFT - RIGHT);
            let down = TOP + (1.0 - y / top) * (height - TOP - BOTTOM);
            (across, down)
        };
        let mut svg = format!(
            "<svg class=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            shape.class, self.title
        );
        self.draw_heights(&mut svg, (shape, top, step), &place);
        self.draw_marks(&mut svg, shape, &place);
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

    fn draw_heights(
        &self,
        svg: &mut String,
        (shape, top, step): (Shape, f64, f64),
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
                shape.width - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                (self.tell)(height)
            );
            height += step;
        }
    }

    fn draw_marks(
        &self,
        svg: &mut String,
        shape: Shape,
        place: &impl Fn((f64, f64)) -> (f64, f64),
    ) {
        let each = self.marks.len().div_ceil(shape.marks_max).max(1);
        for (at, name) in self.marks.iter().step_by(each) {
            let (x, _) = place((*at, 0.0));
            // Names at the right edge would be cut off there.
            let is_last = x > shape.width - RIGHT - 20.0;
            let class = if is_last { "x last" } else { "x" };
            let x = if is_last { shape.width } else { x };
            // Writing to a string does not fail.
            let _ = write!(
                svg,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{}\">{name}</text>",
                shape.height - 8.0
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
    fn a_small_screen_gets_fewer_names() {
        let chart = Chart {
            title: "many".to_owned(),
            lines: Vec::new(),
            marks: (0..9)
                .map(|at| (f64::from(at), format!("{at} s")))
                .collect(),
            tell: |value| value.to_string(),
        };
        let names = SHAPES.map(|shape| chart.svg(shape).matches(" s</text>").count());
        assert_eq!(names, [9, 3]);
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
        let svg = chart.drawings();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
