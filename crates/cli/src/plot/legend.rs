//! Which line is which: beside the frame, or beneath it where names are long. Never over data.

use super::data::dashed;
use super::draw::TICK;
use super::layout::Layout;
use super::marks::Look;
use super::pen::{INK, Pen, Type};
use super::text::width;
use super::{Chart, Style};

/// The sample before a name.
const SAMPLE: f64 = 30.0;
const ROW: f64 = 19.0;
const GAP: f64 = 14.0;
/// Names wider than this go beneath.
const WIDEST: f64 = 190.0;

/// Where the legend is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    entries: usize,
    /// Of one entry.
    wide: f64,
    columns: usize,
    is_beside: bool,
    left: f64,
    top: f64,
}

impl Place {
    /// For a frame that begins at `left`, on paper that ends at `right`.
    pub fn new(chart: &Chart, left: f64, right: f64) -> Self {
        let entries = chart.series.iter().filter(|series| !series.name.is_empty());
        let widest = entries.clone().map(|series| width(&series.name, TICK)).fold(0.0, f64::max);
        let wide = SAMPLE + 8.0 + widest;
        let is_beside = widest <= WIDEST;
        let columns = (((right - left + GAP) / (wide + GAP)).floor() as usize).max(1);
        let columns = if is_beside { 1 } else { columns };
        let left = if is_beside { right - wide } else { left };
        Self { entries: entries.count(), wide, columns, is_beside, left, top: 0.0 }
    }

    /// Where the frame must end.
    pub fn right_of_frame(&self, paper: f64) -> f64 {
        match self.entries > 0 && self.is_beside {
            true => self.left - GAP,
            false => paper - 8.0,
        }
    }

    /// The height that is needed beside the frame.
    pub fn beside(&self) -> f64 {
        if self.is_beside { self.entries as f64 * ROW } else { 0.0 }
    }

    /// The height that is needed beneath.
    pub fn beneath(&self) -> f64 {
        if self.is_beside { 0.0 } else { self.entries.div_ceil(self.columns) as f64 * ROW + 6.0 }
    }

    /// Begins at this height, if it is not beside the frame.
    pub fn below(self, top: f64) -> Self {
        Self { top, ..self }
    }
}

pub fn draw(
    pen: &mut Pen<'_>,
    chart: &Chart,
    looks: &[Look],
    layout: &Layout,
) -> anyhow::Result<()> {
    let place = layout.legend;
    let top = if place.is_beside { layout.top } else { place.top };
    let named = chart.series.iter().zip(looks).filter(|(series, _)| !series.name.is_empty());
    for (index, (series, look)) in named.enumerate() {
        let (row, column) = (index / place.columns, index % place.columns);
        let x = place.left + column as f64 * (place.wide + GAP);
        let y = top + (row as f64 + 0.5) * ROW;
        sample(pen, series.style, *look, (x, y))?;
        pen.text(&series.name, (x + SAMPLE + 8.0, y), Type::new(TICK, INK))?;
    }
    Ok(())
}

fn sample(pen: &mut Pen<'_>, style: Style, look: Look, (x, y): (f64, f64)) -> anyhow::Result<()> {
    let line = [(x, y), (x + SAMPLE, y)];
    match style {
        Style::Bars => {
            return pen.rectangle((x + 8.0, y - 6.0), (x + 22.0, y + 6.0), look.colour, true);
        }
        Style::Dashed => {
            for dash in dashed(&line, look.dashes) {
                pen.line(&dash, look.colour, 1.6, 1.0)?;
            }
            return Ok(());
        }
        Style::Points => {}
        Style::Line | Style::LineAndPoints => pen.line(&line, look.colour, 2.0, 1.0)?,
    }
    pen.mark(look.marker, (x + SAMPLE / 2.0, y), look.colour)
}
