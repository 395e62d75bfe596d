//! Which line is which: a sample of each, with its name.

use crate::plot::chart::{Chart, Style};
use crate::plot::data::dashed;
use crate::plot::layout::Layout;
use crate::plot::legend::{GAP, ROW, SAMPLE};
use crate::plot::marks::Look;
use crate::plot::pen::{INK, Pen, Type};
use crate::plot::text::TICK;

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
