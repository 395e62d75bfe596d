//! The place of the legend: beside the frame, or beneath it where names are long. Never over data.

use super::chart::Chart;
use super::text::{TICK, width};

/// The sample before a name.
pub const SAMPLE: f64 = 30.0;
pub const ROW: f64 = 19.0;
pub const GAP: f64 = 14.0;
/// Names wider than this go beneath.
const WIDEST: f64 = 190.0;

/// Where the legend is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    entries: usize,
    /// Of one entry.
    pub wide: f64,
    pub columns: usize,
    pub is_beside: bool,
    pub left: f64,
    pub top: f64,
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
