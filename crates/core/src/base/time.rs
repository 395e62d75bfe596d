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

/// A wall time, milliseconds since 1970, as people read it.
#[must_use]
pub fn date(wall_ms: u64) -> String {
    // Up to the end of the year 9999, which is as far as the form goes.
    let since = Duration::from_millis(wall_ms.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
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
