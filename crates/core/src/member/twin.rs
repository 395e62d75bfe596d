//! Two nodes that run with one id: how often one may overrule the other.
//!
//! Each takes the other's record for an older one of its own and overrules it, without end. So the
//! pauses in between grow, and what it costs a cluster stays small until an operator has seen it.

use crate::base::time::Instant;
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
}
