//! Axes: from where to where, and which values are named.

use super::chart::Axis;
use super::text::{number, power_of_ten};
use anyhow::bail;

/// Beyond this, sums and products of values are no numbers any more.
const LARGEST: f64 = 1e150;

/// True for what can be drawn on an axis.
pub fn is_drawable(value: f64, log: bool) -> bool {
    value.abs() <= LARGEST && (!log || value >= 1.0 / LARGEST)
}

/// Where values lie between the ends of an axis.
#[derive(Clone, Debug)]
pub struct Scale {
    log: bool,
    /// The ends, as powers of ten on a log axis.
    low: f64,
    high: f64,
    /// Values with their names.
    pub ticks: Vec<(f64, String)>,
    /// Values between them that get a line only.
    pub minor: Vec<f64>,
}

/// How the ends are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// At round numbers.
    Round,
    /// A little beyond the data.
    Close,
}

impl Scale {
    /// An axis for these values, of which at least one must be drawable. `room` is how many names
    /// fit beside each other.
    pub fn new(axis: &Axis, values: &[f64], ends: Ends, room: usize) -> anyhow::Result<Self> {
        let drawable = || values.iter().copied().filter(|value| is_drawable(*value, axis.log));
        let low = drawable().fold(f64::INFINITY, f64::min);
        let high = drawable().fold(f64::NEG_INFINITY, f64::max);
        let range = match axis.range {
            Some((low, high)) => {
                let good = low < high && [low, high].into_iter().all(|v| is_drawable(v, axis.log));
                if !good {
                    bail!("the axis \"{}\" cannot go from {low} to {high}", axis.label);
                }
                Some((low, high))
            }
            None if low > high => bail!("no value can be shown on the axis \"{}\"", axis.label),
            None => None,
        };
        Ok(match axis.log {
            true => Self::log(range, (low, high), ends, room),
            false => {
                let whole = drawable().all(|value| value.fract() == 0.0);
                Self::linear(range, (low, high), ends, room, whole)
            }
        })
    }

    /// From 0 at the low end to 1 at the high end, and beyond for what lies beyond.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// The low end.
    pub fn low(&self) -> f64 {
        if self.log { 10f64.powf(self.low) } else { self.low }
    }

    fn linear(
        range: Option<(f64, f64)>,
        (low, high): (f64, f64),
        ends: Ends,
        room: usize,
        whole: bool,
    ) -> Self {
        let (mut low, mut high) = range.unwrap_or((low, high));
        if high - low <= high.abs().max(low.abs()) * 1e-9 {
            let beyond = (low.abs() / 2.0).max(if low == 0.0 { 1.0 } else { 0.0 });
            (low, high) = (low - beyond, high + beyond);
        }
        // Lengths are compared from zero: leave it out only where it is far away.
        if range.is_none() && low >= 0.0 && low <= high * 0.4 && ends == Ends::Round {
            low = 0.0;
        }
        let mut step = nice((high - low) / room.max(2) as f64);
        if whole {
            step = step.max(1.0);
        }
        if range.is_none() {
            (low, high) = match ends {
                Ends::Round => ((low / step).floor() * step, (high / step).ceil() * step),
                Ends::Close => {
                    let beyond = (high - low) * 0.03;
                    (low - beyond, high + beyond)
                }
            };
        }
        let largest = low.abs().max(high.abs());
        let slack = step * 1e-6;
        let (first, last) = ((low - slack) / step, (high + slack) / step);
        let ticks = (first.ceil() as i64..=last.floor() as i64).take(100);
        let ticks = ticks.map(|index| {
            let value = index as f64 * step;
            (value, number(value, step, largest))
        });
        Self { log: false, low, high, ticks: ticks.collect(), minor: Vec::new() }
    }

    fn log(range: Option<(f64, f64)>, (low, high): (f64, f64), ends: Ends, room: usize) -> Self {
        let (mut from, mut to) = match range {
            Some((low, high)) => (low.log10(), high.log10()),
            None => (low.log10(), high.log10()),
        };
        if range.is_none() {
            if to - from < 1e-6 {
                (from, to) = (from - 0.5, to + 0.5);
            }
            (from, to) = match ends {
                // The lowest point shall not sit on the frame.
                Ends::Round => (round_down(from - (to - from) * 0.02), round_up(to)),
                Ends::Close => (from - (to - from) * 0.03, to + (to - from) * 0.03),
            };
        }
        let decades = to - from;
        let slack = 1e-9;
        let powers = (from - slack).ceil() as i32..=(to + slack).floor() as i32;
        let within = |value: f64| (from - slack..=to + slack).contains(&value.log10());
        let multiples = |factors: &'static [f64]| {
            let powers = from.floor() as i32..=to.ceil() as i32;
            powers
                .flat_map(move |power| factors.iter().map(move |f| f * 10f64.powi(power)))
                .filter(|value| within(*value))
                .collect::<Vec<f64>>()
        };
        let (values, minor) = if decades < 0.7 {
            // So narrow that it is nearly linear.
            let linear = Self::linear(
                Some((10f64.powf(from), 10f64.powf(to))),
                (0.0, 0.0),
                Ends::Close,
                room.min(6),
                false,
            );
            return Self { log: true, low: from, high: to, ..linear };
        } else if decades < 2.2 && room >= 6 {
            (multiples(&[1.0, 2.0, 5.0]), multiples(&[3.0, 4.0, 6.0, 7.0, 8.0, 9.0]))
        } else {
            let every = (decades / room.max(2) as f64).ceil().max(1.0) as i32;
            let named = powers.clone().filter(|power| power.rem_euclid(every) == 0);
            let minor = match decades <= 6.0 {
                true => multiples(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
                false => powers.map(|power| 10f64.powi(power)).collect(),
            };
            (named.map(|power| 10f64.powi(power)).collect(), minor)
        };
        let ticks = values.iter().map(|value| (*value, log_label(*value, from, to))).collect();
        Self { log: true, low: from, high: to, ticks, minor }
    }
}

/// Names on a log axis: all plain, or all powers of ten.
fn log_label(value: f64, from: f64, to: f64) -> String {
    if from >= -3.5 && to <= 12.0 {
        return number(value, value, if value < 10_000.0 { value.max(0.001) } else { value });
    }
    let power = (value.log10() + 1e-9).floor();
    let factor = (value / 10f64.powf(power)).round();
    let power = power_of_ten(power as i32);
    if factor == 1.0 { power } else { format!("{factor}·{power}") }
}

/// A power of ten, or twice or five times one, at or below a number, all as logarithms.
fn round_down(log: f64) -> f64 {
    let base = (log + 1e-9).floor();
    let found = [5f64, 2.0].into_iter().find(|f| base + f.log10() <= log + 1e-9);
    base + found.map_or(0.0, f64::log10)
}

/// The next such number at or above.
fn round_up(log: f64) -> f64 {
    let base = (log - 1e-9).floor();
    let found = [1f64, 2.0, 5.0].into_iter().find(|f| base + f.log10() >= log - 1e-9);
    base + found.map_or(1.0, f64::log10)
}

/// 1, 2 or 5 times a power of ten, at or above a number.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = step / power;
    let rounded = [1.0, 2.0, 5.0].into_iter().find(|f| factor <= f + 1e-9).unwrap_or(10.0);
    rounded * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis, values: &[f64], ends: Ends) -> Vec<String> {
        let scale = Scale::new(axis, values, ends, 8).unwrap();
        scale.ticks.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axis = Axis::default();
        assert_eq!(names(&axis, &[0.1, 0.97], Ends::Round).join(" "), "0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(names(&axis, &[1.0, 2.0, 3.0, 4.0], Ends::Close).join(" "), "1 2 3 4");
        assert_eq!(names(&axis, &[0.0, 1e6], Ends::Round).join(" "), "0 0.2M 0.4M 0.6M 0.8M 1.0M");
        assert_eq!(names(&axis, &[7.0], Ends::Close).join(" "), "4 5 6 7 8 9 10");
        assert!(!names(&axis, &[0.0], Ends::Round).is_empty());
        assert!(!names(&axis, &[-5.0, 1e140], Ends::Round).is_empty());
    }

    #[test]
    fn log_axes_have_powers_of_ten() {
        let axis = Axis { log: true, ..Axis::default() };
        let shown = names(&axis, &[1e3, 1e8], Ends::Close).join(" ");
        assert_eq!(shown, "1000 10k 100k 1M 10M 100M");
        let shown = names(&axis, &[0.0012, 0.18, 0.0, -1.0, f64::NAN], Ends::Round).join(" ");
        assert_eq!(shown, "0.001 0.01 0.1");
        let shown = names(&axis, &[1e-7, 0.1], Ends::Round).join(" ");
        assert_eq!(shown, "10⁻⁷ 10⁻⁶ 10⁻⁵ 10⁻⁴ 10⁻³ 10⁻² 10⁻¹");
        assert_eq!(names(&axis, &[3.0, 90.0], Ends::Round).join(" "), "2 5 10 20 50 100");
        assert!(names(&axis, &[1e-100, 1e100], Ends::Round).len() <= 12);
        assert!(!names(&axis, &[5.0, 6.0], Ends::Round).is_empty());
        assert!(!names(&axis, &[5.0], Ends::Round).is_empty());
    }

    #[test]
    fn what_cannot_be_shown_is_an_error() {
        let log = Axis { log: true, label: "share".into(), ..Axis::default() };
        let error = Scale::new(&log, &[0.0, -1.0, f64::NAN], Ends::Round, 8).unwrap_err();
        assert!(error.to_string().contains("share"));
        for range in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            let axis = Axis { range: Some(range), ..Axis::default() };
            assert!(Scale::new(&axis, &[1.0], Ends::Round, 8).is_err(), "{range:?}");
        }
        let axis = Axis { range: Some((0.0, 1.0)), ..log };
        assert!(Scale::new(&axis, &[1.0], Ends::Round, 8).is_err());
    }

    #[test]
    fn places_run_from_end_to_end() {
        let axis = Axis { log: true, range: Some((1.0, 100.0)), ..Axis::default() };
        let scale = Scale::new(&axis, &[], Ends::Round, 8).unwrap();
        assert!((scale.place(10.0) - 0.5).abs() < 1e-12);
        assert!((scale.low() - 1.0).abs() < 1e-12);
    }
}
