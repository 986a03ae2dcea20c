//! Line charts as SVG.

use std::fmt::Display;

use maud::{Markup, PreEscaped, html};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;

use super::axis::Scale;

/// Of the drawing, in its own units: the page makes it as wide as there is room.
const SIZE: (u32, u32) = (900, 340);

/// Colours that show on light and on dark. The style sheet gives each a pattern of dashes of its own,
/// so that lines are told apart without them.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0x2f, 0x7d, 0xd1),
    RGBColor(0xc8, 0x62, 0x1b),
    RGBColor(0x2b, 0x8a, 0x57),
    RGBColor(0xb0, 0x4f, 0xb4),
    RGBColor(0x8a, 0x7a, 0x1f),
    RGBColor(0xd1, 0x4b, 0x5c),
];

/// What is black is drawn in the colour of the page's text.
const INK: RGBColor = BLACK;

/// Something drawn over something else.
pub(super) struct Chart<'a> {
    /// Where it is on the page.
    pub(super) id: &'a str,
    /// What it shows.
    pub(super) title: &'a str,
    pub(super) x: Axis<'a>,
    pub(super) y: Axis<'a>,
    pub(super) lines: Vec<Line>,
}

/// One of the two axes.
pub(super) struct Axis<'a> {
    pub(super) name: &'a str,
    pub(super) scale: Scale,
    /// How a value reads.
    pub(super) format: fn(f64) -> String,
}

/// A line and its name.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Chart<'_> {
    /// The chart, described for those who do not see it.
    pub(super) fn draw(&self) -> Result<Markup, String> {
        let mut drawing = String::new();
        self.draw_into(&mut drawing)
            .map_err(|error| format!("{}: {error}", self.title))?;
        let (title, description) = (format!("{}-title", self.id), format!("{}-text", self.id));
        let view_box = format!("0 0 {} {}", SIZE.0, SIZE.1);
        Ok(html! {
            figure {
                figcaption { (self.title) }
                @if self.lines.len() > 1 {
                    ul class="legend" {
                        @for (line, colour) in self.coloured() {
                            li { (sample(colour)) (line.name) }
                        }
                    }
                }
                svg xmlns="http://www.w3.org/2000/svg" viewBox=(view_box) role="img"
                    aria-labelledby=(format!("{title} {description}")) {
                    title id=(title) { (self.title) }
                    desc id=(description) { (self.description()) }
                    (PreEscaped(drawing))
                }
            }
        })
    }

    fn coloured(&self) -> impl Iterator<Item = (&Line, RGBColor)> {
        self.lines.iter().zip(COLOURS.into_iter().cycle())
    }

    /// From where to where each line goes.
    fn description(&self) -> String {
        let mut text = format!("{} over {}.", self.y.name, self.x.name);
        for line in &self.lines {
            let values = line.points.iter().map(|point| point.1);
            let most = values.clone().max_by(f64::total_cmp);
            let said = match values.min_by(f64::total_cmp).zip(most) {
                None => "nothing".to_owned(),
                Some((least, most)) => {
                    let format = self.y.format;
                    format!("{} to {}", format(least), format(most))
                }
            };
            text.push_str(&format!(" {}: {said}.", line.name));
        }
        text
    }

    fn draw_into(&self, drawing: &mut String) -> Result<(), impl Display + use<>> {
        let (x, y) = (&self.x, &self.y);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let across = x.scale.range(points().map(|point| point.0));
        let up = y.scale.range(points().map(|point| point.1));
        let area = SVGBackend::with_string(drawing, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .margin_right(28)
            .x_label_area_size(52)
            .y_label_area_size(92)
            .build_cartesian_2d(Ruler::new(x, across), Ruler::new(y, up))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(INK.mix(0.6))
            .bold_line_style(INK.mix(0.15))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 16, &INK))
            .x_desc(x.name)
            .y_desc(y.name)
            .draw()?;
        for (line, colour) in self.coloured() {
            let style = colour.stroke_width(2);
            let place = |(across, up): &(f64, f64)| (x.scale.place(*across), y.scale.place(*up));
            let places: Vec<_> = line.points.iter().map(place).collect();
            if let [only] = places[..] {
                chart.draw_series([Circle::new(only, 3, colour.filled())])?;
            }
            chart.draw_series(LineSeries::new(places, style))?;
        }
        area.present()
    }
}

/// What a line looks like.
fn sample(RGBColor(red, green, blue): RGBColor) -> Markup {
    let stroke = format!("#{red:02X}{green:02X}{blue:02X}");
    html! {
        svg class="sample" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 8" aria-hidden="true" {
            polyline points="0,4 32,4" stroke=(stroke) stroke-width="2" fill="none" {}
        }
    }
}

/// An axis as plotters takes it: even, with marks of our own.
struct Ruler {
    begin: f64,
    end: f64,
    marks: Vec<f64>,
    scale: Scale,
    format: fn(f64) -> String,
}

impl Ruler {
    fn new(axis: &Axis<'_>, (begin, end): (f64, f64)) -> Self {
        Self {
            begin,
            end,
            marks: axis.scale.marks((begin, end)),
            scale: axis.scale,
            format: axis.format,
        }
    }
}

impl Ranged for Ruler {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (first, last): (i32, i32)) -> i32 {
        let part = (place - self.begin) / (self.end - self.begin);
        first + (f64::from(last - first) * part).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, hint: H) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.marks.clone(),
        }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.begin..self.end
    }
}

impl ValueFormatter<f64> for Ruler {
    fn format_ext(&self, place: &f64) -> String {
        (self.format)(self.scale.value(*place))
    }
}
