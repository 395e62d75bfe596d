//! What is known of one path, and the question to it that is under way.

use crate::base::time::Instant;
use std::time::Duration;

/// How long a ping by stream is waited for: a lost SYN is sent again after a second (guess).
const STREAM_WAIT: Duration = Duration::from_millis(1200);
/// And as long as what is before it takes at so many bytes per second (guess: a slow line).
const STREAM_PACE: u64 = 128 * 1024;

/// What a ping is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Small,
    Sized(usize),
    Stream,
}

/// What is known of the way to one address.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// The largest datagram that is known to arrive, where that is less than the settings say.
    pub(super) size: Option<usize>,
    /// Datagrams do not arrive.
    pub(super) no_datagrams: bool,
    /// The other end answers datagrams by stream: its own do not arrive.
    pub(super) deaf: bool,
    /// Streams do not open, or stand still.
    pub(super) no_streams: bool,
    pub(super) check: Option<Check>,
    /// When the check goes on, or the next begins.
    pub(super) due: Option<Instant>,
    /// When it was last looked whether large datagrams arrive.
    pub(super) sized: Option<Instant>,
    /// How long that counts.
    pub(super) pause: Duration,
    /// When the last check ended.
    pub(super) checked: Option<Instant>,
    /// How long a closed way is left alone, and until when.
    pub(super) again: Duration,
    pub(super) retry: Option<Instant>,
    /// When a ping by stream was last answered.
    pub(super) proved: Option<Instant>,
    /// Bytes that went by stream and may be before the next ping there; and since the last ping.
    pub(super) unproven: u64,
    pub(super) since: u64,
    /// The latest pings, the oldest first.
    pub(super) numbers: Vec<u64>,
}

impl Path {
    /// True if there is something to tell.
    pub(super) fn is_troubled(&self) -> bool {
        self.size.is_some() || self.is_closed()
    }

    /// True if a check has ended lately.
    pub(super) fn was_checked(&self, pause: Duration, now: Instant) -> bool {
        self.checked.max(self.sized).is_some_and(|at| now < at.after(pause))
    }

    /// True if a way is closed in one direction at least.
    pub(super) fn is_closed(&self) -> bool {
        self.no_datagrams || self.no_streams || self.deaf
    }
}

/// A question to the path that is under way.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) tries: u32,
    /// A small ping was answered.
    pub(super) small: bool,
    /// Pings had this number when it was; one that was sent later was answered as well.
    pub(super) since: u64,
    pub(super) again: bool,
    /// Only the stream is looked at, so far.
    pub(super) proves: bool,
    /// A ping of the largest size was; `None` if that is not asked.
    pub(super) large: Option<bool>,
    /// How often the sizes between are still tried.
    pub(super) rungs: u32,
    /// A ping by stream, if one is wanted.
    pub(super) stream: Option<Stream>,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// It has to be sent, the first time or since the stream broke.
    pub(super) unsent: bool,
    pub(super) answered: bool,
    /// How long it is waited for.
    pub(super) ends: Instant,
    /// That time is up, and a small ping looks whether anybody is there at all.
    pub(super) late: bool,
}

impl Stream {
    pub(super) fn new(now: Instant, before: u64) -> Self {
        let queued = Duration::from_millis(before.saturating_mul(1000) / STREAM_PACE);
        let ends = now.after(STREAM_WAIT).after(queued);
        Self { unsent: true, answered: false, ends, late: false }
    }
}

impl Check {
    pub(super) fn is_over(&self) -> bool {
        let stream = self.stream.as_ref().is_none_or(|stream| stream.answered);
        self.small && self.large != Some(false) && self.rungs == 0 && stream
    }
}
