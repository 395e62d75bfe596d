//! Times and shares as people write them: `1.5ms`, `20s`, `40%`.

use rumormill_core::base::time::micros;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The units of time, with their microseconds. Longer names first, so that none hides another.
const UNITS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("µs", 1)];

/// Longer than any simulation.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a time: a number, which may have a fraction, and a unit.
///
/// # Errors
/// In words, with what to write.
pub fn time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let bad = |why: &str| format!("{text:?} is no time: {why}; write 20s, 1.5ms or 500us");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(bad("it does not begin with a number"));
    }
    if unit.is_empty() {
        return Err(bad("it has no unit"));
    }
    let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit.trim()) else {
        return Err(bad("the units are us, ms, s, m and h"));
    };
    let number: f64 = number.parse().map_err(|_| bad("the number cannot be read"))?;
    let micros = number * scale as f64;
    if micros > LONGEST.as_micros() as f64 {
        return Err(bad("it is over a year"));
    }
    Ok(Duration::from_micros((micros + 0.5) as u64))
}

/// Reads a share: `40%` or `0.4`.
///
/// # Errors
/// In words, with what to write.
pub fn share(text: &str) -> Result<f64, String> {
    percent(text).map(|percent| percent / 100.0)
}

/// Reads a share as a percentage: 40 for `40%`, exactly, and for `0.4`.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = text.strip_suffix('%');
    let scale = if number.is_some() { 1.0 } else { 100.0 };
    let number = number.unwrap_or(text).trim().parse::<f64>();
    let percent = number.map_err(|_| format!("{text:?} is no share: write 40% or 0.4"))? * scale;
    match (0.0..=100.0).contains(&percent) {
        true => Ok(percent),
        false => Err(format!("{text:?} is no share: it must lie between 0 and 1, or 0% and 100%")),
    }
}

/// Reads a count of bytes: `1500`, `64k`, `1.5M`, `1Gi`.
///
/// # Errors
/// In words, with what to write.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let bad = || format!("{text:?} is no count of bytes: write 1500, 64k, 1.5M or 1Gi");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().trim_end_matches(['B', 'b']) {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "ki" | "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(bad()),
    };
    let count = number.parse::<f64>().map_err(|_| bad())? * scale as f64;
    match (1.0..=1e15).contains(&count) {
        true => Ok(count as u64),
        false => Err(format!("{text:?} is out of range: 1 byte to 1,000,000 GB")),
    }
}

/// A time as [`time`] reads it, exact to the microsecond.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match micros(self.0) {
            us if us % 1_000_000 == 0 => write!(f, "{}s", us / 1_000_000),
            us if us % 1000 == 0 => write!(f, "{}ms", us / 1000),
            us if us % 100 == 0 => write!(f, "{}.{}ms", us / 1000, us % 1000 / 100),
            us => write!(f, "{us}us"),
        }
    }
}

/// Words with commas and an `and`.
pub(crate) fn list<T: fmt::Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (number, item) in items.iter().enumerate() {
        let before = match number {
            0 => "",
            n if n + 1 == items.len() => " and ",
            _ => ", ",
        };
        let _ = write!(text, "{before}{item}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_may_have_a_fraction() {
        let us = Duration::from_micros;
        for (text, time) in
            [("20s", us(20_000_000)), ("0.5ms", us(500)), ("7us", us(7)), ("2m", us(120_000_000))]
        {
            assert_eq!(super::time(text), Ok(time), "{text}");
        }
        for text in ["", "5", "ms", "5 parsecs", "1.2.3s", "-1s", "99999h", "∞s", "5é"] {
            let error = super::time(text).unwrap_err();
            assert!(error.contains("write 20s, 1.5ms or 500us"), "{error}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for us in [0, 1, 500, 999, 1000, 1500, 10_200, 1_000_000, 90_000_000, 1_000_001] {
            let time = Duration::from_micros(us);
            assert_eq!(super::time(&Time(time).to_string()), Ok(time));
        }
    }

    #[test]
    fn shares_lie_between_nothing_and_all() {
        assert_eq!(share("40%"), Ok(0.4));
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["", "%", "1.5", "-1%", "101%", "NaN", "half"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_may_have_a_unit() {
        assert_eq!(bytes("1500"), Ok(1500));
        assert_eq!(bytes("1.5MB"), Ok(1_500_000));
        assert_eq!(bytes("64Ki"), Ok(65_536));
        for text in ["", "0", "x", "5 apples", "1e30", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
