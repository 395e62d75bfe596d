//! What holds of the divergence alarm between turns.

use super::{Auditor, CHECKS, MAX_WATCHED, STALL};
use crate::base::time::{Instant, micros};

impl Auditor {
    /// Checks what must hold after what is due was done, or while it is not to be.
    pub(crate) fn check(&self, now: Instant, waits: bool) {
        let latest = now.after(self.interval).0.saturating_add(micros(self.interval) / 4 + 1);
        let next = self.next;
        let in_time = next.is_none_or(|next| (waits || now < next) && next.0 <= latest);
        assert!(in_time, "it is {now:?}; the next check is at {next:?}");
        let watched = self.watched.len();
        assert!(watched <= MAX_WATCHED, "{watched} members are looked at closely");
        for (place, one) in self.watched.iter().enumerate() {
            let before = self.watched.iter().take(place);
            let twice = before.filter(|other| other.peer == one.peer).count();
            assert_eq!(twice, 0, "{} is looked at closely twice", one.peer);
            let sorted = one.parts.is_sorted_by(|one, next| one.part < next.part);
            assert!(sorted && !one.parts.is_empty(), "parts of {}: {:?}", one.peer, one.parts);
            for part in &one.parts {
                let (checks, since) = (part.checks, part.since);
                let early = part.told && checks < CHECKS;
                assert!(!early && since <= now, "{checks} checks of {} since {since:?}", one.peer);
            }
        }
        if let Some(exchange) = &self.exchange {
            let (from, last, until) = (exchange.from, exchange.last, exchange.until);
            assert!(from <= last, "a part is exchanged from {from:x} to {last:x}");
            assert!(until <= now.after(STALL), "an exchange is given up only at {until:?}");
        }
    }
}
