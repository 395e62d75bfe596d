//! Time as an argument.
//!
//! The core never reads a clock. Whoever drives it passes [`Now`]: a monotonic reading for timers
//! and a wall reading for stamps and expiry. The two are apart on purpose: a wall clock may jump.

use std::time::Duration;

/// A point on the driver's monotonic clock, in microseconds since a start of its choosing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The point that lies `duration` later; saturates at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks, read once per input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic clock: timers and deadlines.
    pub mono: Instant,
    /// Wall clock, milliseconds since 1970 (UTC): stamps and expiry.
    pub wall_ms: u64,
}

/// A duration in whole microseconds, saturating.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A duration in whole milliseconds, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A wall time, milliseconds since 1970, as people read it (RFC 3339, UTC; up to the year 9999).
///
/// The calendar is worked out here since whoever else does takes a time from the system's clock,
/// which the core does not know. Source: Hinnant, "chrono-compatible low-level date algorithms".
#[must_use]
pub fn date(wall_ms: u64) -> String {
    let wall_ms = wall_ms.min(253_402_300_799_999);
    let (days, ms) = (wall_ms / 86_400_000, wall_ms % 86_400_000);
    // Years begin in March, so that the day that some have more is the last; eras are 400 years.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, january) = (of_year - (153 * month + 2) / 5 + 1, month >= 10);
    let year = year + era * 400 + u64::from(january);
    let month = if january { month - 9 } else { month + 3 };
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Serde for durations written as people write them: `"200ms"`, `"1s"`, `"2m 30s"`.
pub mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::time::Duration;

    /// Reads a duration from text.
    ///
    /// # Errors
    /// If the text is no duration with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        humantime::parse_duration(&text).map_err(|error| {
            serde::de::Error::custom(format!(
                "{text:?} is no duration ({error}); write \"200ms\" or \"1s\""
            ))
        })
    }

    /// Writes a duration as text.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (wall_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(date(wall_ms), text);
        }
    }
}
