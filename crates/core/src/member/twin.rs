//! Two nodes that run with one id: how often one may overrule the other.
//!
//! Each takes the other's record for an older one of its own and overrules it, without end. So the
//! pauses in between grow, and what it costs a cluster stays small until an operator has seen it.

use crate::base::time::{Instant, micros};
use std::time::Duration;

/// The first pause.
const LEAST: Duration = Duration::from_secs(1);
/// The longest. Shorter than what an operator's alarm outlasts.
const MOST: Duration = Duration::from_secs(16);

/// The machine.
#[derive(Debug)]
pub struct Twin {
    from: Instant,
    pause: Duration,
}

impl Twin {
    /// No twin is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { from: now, pause: Duration::ZERO }
    }

    /// A record came from a twin: may this node overrule it now?
    pub fn may_overrule(&mut self, now: Instant) -> bool {
        if now < self.from {
            return false;
        }
        // After a long silence it is not the same quarrel any more.
        let again = now.since(self.from) <= MOST && !self.pause.is_zero();
        self.pause = if again { (self.pause * 2).min(MOST) } else { LEAST };
        self.from = now.after(self.pause);
        true
    }
}

impl Twin {
    /// Checks what must hold at any time.
    pub(crate) fn check(&self, now: Instant) {
        let (from, pause) = (self.from, self.pause);
        assert!(pause <= MOST && from <= now.after(MOST), "a pause of {pause:?} until {from:?}");
    }
}

/// Suspicions and deaths that a node overrules one after the other (guess: what others say of it in
/// one bad moment).
const AT_ONCE: u32 = 16;
/// One more after each of these.
const EACH: Duration = Duration::from_millis(250);

/// How often a node overrules what others say of it: each time costs all members a message, and
/// anyone might say it.
#[derive(Debug)]
pub struct Patience {
    left: u32,
    from: Instant,
}

impl Patience {
    /// Nothing has been said yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { left: AT_ONCE, from: now }
    }

    /// May this node overrule something now?
    pub fn may_overrule(&mut self, now: Instant) -> bool {
        let each = micros(EACH);
        let more = micros(now.since(self.from)) / each;
        let full = more >= u64::from(AT_ONCE - self.left);
        self.left = if full { AT_ONCE } else { self.left + more as u32 };
        self.from = if full { now } else { Instant(self.from.0 + more * each) };
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }

    /// Checks what must hold at any time.
    pub(crate) fn check(&self, now: Instant) {
        assert!(self.left <= AT_ONCE && self.from <= now, "patience {self:?} at {now:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_a_silence() {
        let mut now = Instant(5_000_000);
        let mut twin = Twin::new(now);
        let mut overruled = Vec::new();
        for second in 0..60 {
            if twin.may_overrule(now) {
                overruled.push(second);
            }
            now = now.after(Duration::from_secs(1));
        }
        assert_eq!(overruled, [0, 1, 3, 7, 15, 31, 47]);
        now = now.after(Duration::from_secs(60));
        assert!(twin.may_overrule(now));
        assert!(!twin.may_overrule(now.after(Duration::from_millis(999))));
        assert!(twin.may_overrule(now.after(LEAST)));
    }

    #[test]
    fn a_flood_of_slander_is_answered_now_and_then() {
        let mut now = Instant(5_000_000);
        let mut patience = Patience::new(now);
        let mut overruled = |now| (0..100).filter(|_| patience.may_overrule(now)).count();
        assert_eq!(overruled(now), 16);
        now = now.after(Duration::from_millis(1100));
        assert_eq!(overruled(now), 4);
        now = now.after(Duration::from_millis(150));
        assert_eq!(overruled(now), 1, "what was left over is not lost");
        assert_eq!(overruled(now.after(Duration::from_secs(60))), 16);
    }
}
