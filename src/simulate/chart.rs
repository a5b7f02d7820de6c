//! Charts as SVG text: lines over the hours of a shift, stacked areas, points in a plane. Knows axes and colours, no dialling.

use std::fmt::Write;

/// Colours that are told apart also by those who see few of them (Okabe and Ito 2008), light and dark alike.
pub const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7a00", "#7f7f7f",
];

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub label: String,
    /// Index into [`COLOURS`].
    pub colour: usize,
    /// Position on the x axis and value; a gap where there is none.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A rule across the chart: a cap.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where.
    pub at: f64,
    /// What it is.
    pub label: String,
}

/// What the axes are.
#[derive(Clone, Debug)]
pub struct Axes {
    /// Lowest and highest x.
    pub x: (f64, f64),
    /// Lowest and highest y.
    pub y: (f64, f64),
    /// The word for an x.
    pub x_word: fn(f64) -> String,
    /// Distance of two marks on the x axis.
    pub x_step: f64,
    /// Behind each number on the y axis.
    pub unit: &'static str,
}

/// Distance of about `count` marks on an axis: 1, 2 or 5 times a power of ten.
pub fn step(range: f64, count: f64) -> f64 {
    let rough = (range / count).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power)
}

/// As text of HTML and SVG.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            other => safe.push(other),
        }
    }
    safe
}

impl Axes {
    fn x(&self, x: f64) -> f64 {
        let range = (self.x.1 - self.x.0).max(1e-9);
        LEFT + (x - self.x.0) / range * (WIDTH - LEFT - RIGHT)
    }
    fn y(&self, y: f64) -> f64 {
        let range = (self.y.1 - self.y.0).max(1e-9);
        let share = ((y - self.y.0) / range).clamp(-0.02, 1.02);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn open(&self, svg: &mut String, what: &str) {
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(what)
        );
        let by = step(self.y.1 - self.y.0, 5.0);
        let decimals = usize::from(by < 1.0) + usize::from(by < 0.1);
        let mut y = (self.y.0 / by).ceil() * by;
        while y <= self.y.1 + by * 1e-6 {
            let at = self.y(y);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{y:.decimals$}{}</text>",
                WIDTH - RIGHT,
                LEFT - 5.0,
                at + 3.5,
                self.unit
            );
            y += by;
        }
        let mut x = (self.x.0 / self.x_step).ceil() * self.x_step;
        while x <= self.x.1 + self.x_step * 1e-6 {
            let at = self.x(x);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - 8.0,
                (self.x_word)(x)
            );
            x += self.x_step;
        }
    }

    /// A rule from side to side.
    fn rule(&self, svg: &mut String, rule: &Rule) {
        let at = self.y(rule.at);
        let _ = write!(
            svg,
            "<line class=\"cap\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"cap\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            WIDTH - RIGHT - 4.0,
            at - 4.0,
            escaped(&rule.label)
        );
    }

    /// Lines over x.
    pub fn lines(&self, what: &str, lines: &[Line], rules: &[Rule]) -> String {
        let mut svg = String::new();
        self.open(&mut svg, what);
        for rule in rules {
            self.rule(&mut svg, rule);
        }
        for line in lines {
            let mut path = String::new();
            let mut is_down = false;
            for (x, y) in &line.points {
                let Some(y) = y else {
                    is_down = false;
                    continue;
                };
                let letter = if is_down { 'L' } else { 'M' };
                let _ = write!(path, "{letter}{:.1} {:.1}", self.x(*x), self.y(*y));
                is_down = true;
            }
            let _ = write!(
                svg,
                "<path class=\"line\" d=\"{path}\" stroke=\"{}\"><title>{}</title></path>",
                COLOURS[line.colour % COLOURS.len()],
                escaped(&line.label)
            );
        }
        svg += "</svg>";
        svg
    }

    /// Areas that lie on one another, the first at the bottom.
    pub fn stack(&self, what: &str, areas: &[Line]) -> String {
        let mut svg = String::new();
        self.open(&mut svg, what);
        let length = areas.first().map_or(0, |area| area.points.len());
        let mut below = vec![0.0; length];
        for area in areas {
            let mut path = String::new();
            let mut above = below.clone();
            for (number, (x, y)) in area.points.iter().enumerate() {
                above[number] += y.unwrap_or(0.0);
                let letter = if number == 0 { 'M' } else { 'L' };
                let _ = write!(
                    path,
                    "{letter}{:.1} {:.1}",
                    self.x(*x),
                    self.y(above[number])
                );
            }
            for (number, (x, _)) in area.points.iter().enumerate().rev() {
                let _ = write!(path, "L{:.1} {:.1}", self.x(*x), self.y(below[number]));
            }
            let _ = write!(
                svg,
                "<path d=\"{path}Z\" fill=\"{}\" fill-opacity=\"0.75\"><title>{}</title></path>",
                COLOURS[area.colour % COLOURS.len()],
                escaped(&area.label)
            );
            below = above;
        }
        svg += "</svg>";
        svg
    }

    /// Points in a plane, each with its word; a large one is a mean, a small one a single run. A rule here is upright.
    pub fn plane(&self, what: &str, points: &[Point], rules: &[Rule]) -> String {
        let mut svg = String::new();
        self.open(&mut svg, what);
        for rule in rules {
            let at = self.x(rule.at);
            let _ = write!(
                svg,
                "<line class=\"cap\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
                 <text class=\"cap\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                HEIGHT - BOTTOM,
                at + 4.0,
                HEIGHT - BOTTOM - 5.0,
                escaped(&rule.label)
            );
        }
        for point in points {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{}\" fill=\"{}\" fill-opacity=\"{}\"><title>{}</title></circle>",
                self.x(point.x),
                self.y(point.y),
                if point.is_mean { 6 } else { 2 },
                COLOURS[point.colour % COLOURS.len()],
                if point.is_mean { 0.9 } else { 0.5 },
                escaped(&point.label)
            );
        }
        svg += "</svg>";
        svg
    }
}

/// A point in a plane.
#[derive(Clone, Debug)]
pub struct Point {
    /// What it is.
    pub label: String,
    /// Index into [`COLOURS`].
    pub colour: usize,
    /// To the right.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Whether it is a mean over seeds.
    pub is_mean: bool,
}
