//! Colours, markers and dashes: told apart in print, in grey, and by colour-blind people.

use super::chart::Style;
use plotters::style::RGBColor;

/// Okabe and Ito's colours without yellow, which is lost on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Theory is grey: it is not one of the things that were measured.
const GREYS: [RGBColor; 3] =
    [RGBColor(70, 70, 70), RGBColor(120, 120, 120), RGBColor(150, 110, 60)];

const DASHES: [&[f64]; 4] =
    [&[7.0, 4.5], &[2.0, 3.5], &[11.0, 4.0, 2.0, 4.0], &[14.0, 4.0, 2.0, 3.0, 2.0, 4.0]];

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Ring,
    Cross,
}

// Their number and that of the colours have no common factor: 42 series differ from each other.
const MARKERS: [Marker; 6] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Ring,
    Marker::Cross,
];

/// More series than this cannot be told apart.
pub const MOST_SERIES: usize = COLOURS.len() * MARKERS.len();

/// How one series looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub colour: RGBColor,
    pub marker: Marker,
    /// Lengths on and off; empty for a whole line.
    pub dashes: &'static [f64],
}

/// How each of these series looks.
pub fn looks(styles: impl IntoIterator<Item = Style>) -> Vec<Look> {
    let (mut solid, mut dashed) = (0, 0);
    let look = |style| match style {
        Style::Dashed => {
            let look = Look {
                colour: GREYS[dashed % GREYS.len()],
                marker: Marker::Circle,
                dashes: DASHES[dashed % DASHES.len()],
            };
            dashed += 1;
            look
        }
        _ => {
            let look = Look {
                colour: COLOURS[solid % COLOURS.len()],
                marker: MARKERS[solid % MARKERS.len()],
                dashes: &[],
            };
            solid += 1;
            look
        }
    };
    styles.into_iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_series_look_the_same() {
        let looks = looks([Style::Line; MOST_SERIES]);
        let different: BTreeSet<String> =
            looks.iter().map(|look| format!("{:?}{:?}", look.colour, look.marker)).collect();
        assert_eq!(different.len(), MOST_SERIES);
    }
}
