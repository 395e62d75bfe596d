//! Draws on the paper, in units of its own: a tenth of them is the smallest step, so that lines
//! are smooth although the backend counts in whole numbers.

use super::data::Point;
use super::marks::Marker;
use super::text::{clean, escape};
use plotters::backend::SVGBackend;
use plotters::prelude::{DrawingBackend as _, IntoFont as _, RGBColor, ShapeStyle, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, FontTransform};

/// The backend's units in one of ours.
const FINE: f64 = 10.0;

/// The backend takes a font's size to be that of its box, which is larger than the size of SVG.
const FONT: f64 = 1.24;

/// A pen on a paper.
pub struct Pen<'a> {
    to: SVGBackend<'a>,
}

/// How text is set.
#[derive(Clone, Copy)]
pub struct Type {
    pub size: f64,
    pub colour: RGBColor,
    pub bold: bool,
    pub at: HPos,
    pub upwards: bool,
}

pub const INK: RGBColor = RGBColor(30, 30, 30);
pub const FAINT: RGBColor = RGBColor(105, 105, 105);
pub const GRID: RGBColor = RGBColor(226, 226, 226);
pub const FINE_GRID: RGBColor = RGBColor(241, 241, 241);
pub const FRAME: RGBColor = RGBColor(120, 120, 120);
const WHITE: RGBColor = RGBColor(255, 255, 255);

impl Type {
    pub fn new(size: f64, colour: RGBColor) -> Self {
        Self { size, colour, bold: false, at: HPos::Left, upwards: false }
    }
}

/// Draws on a paper of this size, with a title for those who cannot see; answers the SVG.
pub fn draw(
    size: (f64, f64),
    title: &str,
    with: impl FnOnce(&mut Pen<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let to = SVGBackend::with_string(&mut svg, (fine(size.0) as u32, fine(size.1) as u32));
        let mut pen = Pen { to };
        pen.fill(&[(0.0, 0.0), (size.0, 0.0), size, (0.0, size.1)], WHITE, 1.0)?;
        with(&mut pen)?;
        pen.to.present().map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\" role=\"img\">\n<title>{}</title>{body}",
        f64::from(fine(size.0)) / 10.0,
        f64::from(fine(size.1)) / 10.0,
        fine(size.0),
        fine(size.1),
        escape(title),
    ))
}

impl Pen<'_> {
    /// A line through points.
    pub fn line(
        &mut self,
        points: &[Point],
        colour: RGBColor,
        width: f64,
        alpha: f64,
    ) -> anyhow::Result<()> {
        let style = style(colour, alpha, width, false);
        done(self.to.draw_path(points.iter().map(|point| whole(*point)), &style))
    }

    /// A filled shape.
    pub fn fill(&mut self, corners: &[Point], colour: RGBColor, alpha: f64) -> anyhow::Result<()> {
        let style = style(colour, alpha, 0.0, true);
        done(self.to.fill_polygon(corners.iter().map(|point| whole(*point)), &style))
    }

    /// A rectangle's outline or surface.
    pub fn rectangle(
        &mut self,
        from: Point,
        to: Point,
        colour: RGBColor,
        filled: bool,
    ) -> anyhow::Result<()> {
        let style = style(colour, 1.0, 1.0, filled);
        if filled {
            return done(self.to.draw_rect(whole(from), whole(to), &style, true));
        }
        let corners = [from, (to.0, from.1), to, (from.0, to.1), from];
        self.line(&corners, colour, 1.0, 1.0)
    }

    /// One line of text; its middle, or its first line's middle, is at the height of the point.
    pub fn text(&mut self, text: &str, at: Point, set: Type) -> anyhow::Result<()> {
        let mut font = ("sans-serif", set.size * FINE * FONT).into_font();
        if set.bold {
            font = font.style(FontStyle::Bold);
        }
        if set.upwards {
            font = font.transform(FontTransform::Rotate270);
        }
        let colour = set.colour.to_rgba();
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(set.at, VPos::Center));
        done(self.to.draw_text(&clean(text), &style, whole(at)))
    }

    /// The mark of a point.
    pub fn mark(&mut self, marker: Marker, at: Point, colour: RGBColor) -> anyhow::Result<()> {
        let (x, y) = at;
        let around = |r: f64, corners: &[Point]| -> Vec<Point> {
            corners.iter().map(|(dx, dy)| (x + r * dx, y + r * dy)).collect()
        };
        match marker {
            Marker::Circle => {
                let style = style(colour, 1.0, 1.0, true);
                done(self.to.draw_circle(whole(at), fine(3.3) as u32, &style, true))
            }
            Marker::Ring => {
                let inner = style(WHITE, 1.0, 1.0, true);
                done(self.to.draw_circle(whole(at), fine(3.3) as u32, &inner, true))?;
                let style = style(colour, 1.0, 1.4, false);
                done(self.to.draw_circle(whole(at), fine(3.3) as u32, &style, false))
            }
            Marker::Square => {
                let corners = around(3.0, &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]);
                self.fill(&corners, colour, 1.0)
            }
            Marker::Triangle => {
                let corners = around(4.2, &[(0.0, -1.0), (0.95, 0.75), (-0.95, 0.75)]);
                self.fill(&corners, colour, 1.0)
            }
            Marker::Diamond => {
                let corners = around(4.4, &[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]);
                self.fill(&corners, colour, 1.0)
            }
            Marker::Cross => {
                self.line(&around(3.2, &[(-1.0, -1.0), (1.0, 1.0)]), colour, 1.6, 1.0)?;
                self.line(&around(3.2, &[(-1.0, 1.0), (1.0, -1.0)]), colour, 1.6, 1.0)
            }
        }
    }
}

fn style(colour: RGBColor, alpha: f64, width: f64, filled: bool) -> ShapeStyle {
    ShapeStyle { color: colour.mix(alpha), filled, stroke_width: fine(width) as u32 }
}

fn fine(length: f64) -> i32 {
    // Everything drawn lies on the paper or close to it.
    (length * FINE).round() as i32
}

fn whole((x, y): Point) -> (i32, i32) {
    (fine(x), fine(y))
}

fn done<E: std::fmt::Display>(result: Result<(), E>) -> anyhow::Result<()> {
    result.map_err(|error| anyhow::anyhow!("{error}"))
}
