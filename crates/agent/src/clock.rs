//! The wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the ports answer at most that the node is loading (guess: an exchange takes about a
/// second, and whoever waits longer is better served by what there is).
pub(crate) const DEFAULT_LOADING: Duration = Duration::from_secs(5);

/// Wall clock, milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
