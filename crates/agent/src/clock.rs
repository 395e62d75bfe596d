//! The wall clock, and times that several parts share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the ports answer at most that the node is loading (guess: an exchange takes about a
/// second, and whoever waits longer is better served by what there is).
pub(crate) const DEFAULT_LOADING: Duration = Duration::from_secs(5);

/// How long a node that leaves may take to hand over what it has, if nothing is said (guess: some
/// rounds of anti-entropy, and the ten seconds after which the most hurried supervisors kill).
pub(crate) const DEFAULT_LEAVE: Duration = Duration::from_secs(10);

/// And at most, as `/v1/leave` has it.
pub(crate) const MAX_LEAVE: Duration = Duration::from_secs(600);

/// Wall clock, milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
