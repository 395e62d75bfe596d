//! What holds of anti-entropy between turns: it comes round again, whatever was lost.

use super::{BUSY, Entropy, STALL};
use crate::base::time::Instant;

impl Entropy {
    /// Checks what must hold after what is due was done, or while it is not to be.
    pub(crate) fn check(&self, now: Instant, waits: bool) {
        let off = self.config.interval.is_zero();
        assert_eq!(self.next.is_none(), off, "the next exchange begins at {:?}", self.next);
        if let Some(next) = self.next {
            // News that is hidden for long, and an interval that is drawn up to a quarter longer.
            let idle = self.config.idle_interval.max(self.config.interval);
            let latest = now.after(idle).after(idle / 4).after(self.hidden()).after(BUSY);
            assert!(waits || next > now, "an exchange was to begin at {next:?}, it is {now:?}");
            assert!(next <= latest, "no exchange begins before {next:?}, over {latest:?}");
        }
        let (busy, latest) = (self.busy_until, now.after(BUSY));
        assert!(busy <= latest, "an exchange keeps others back until {busy:?}");
        if let Some(bulk) = &self.bulk {
            let until = bulk.until;
            assert!(waits || until > now, "a transfer stalled at {until:?}, it is {now:?}");
            let due = bulk.due;
            let latest = now.max(due.unwrap_or(now)).after(STALL);
            assert!(until <= latest, "a transfer counts as stalled only at {until:?}");
            assert!(waits || due.is_none_or(|due| due > now), "a piece was due at {due:?}");
            let place = usize::from(bulk.space.code());
            let resume = self.resume.get(place).copied().unwrap_or(0);
            let from = bulk.from;
            assert!(from >= resume, "a transfer at {from:x} would go on at {resume:x}");
        }
    }
}
