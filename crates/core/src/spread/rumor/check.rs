//! What holds of rumor mongering between turns: whatever is hot is told, and stops by its rule.

use super::{Contact, Mongering, Stop};
use crate::base::check::Depth;
use crate::base::hash::Set;
use crate::base::time::Instant;
use crate::data::{Entry, Space};
use std::sync::Arc;

impl Mongering {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, now: Instant, depth: Depth) {
        let (hot, most) = (self.hot.len(), self.config.max_hot.max(1));
        assert!(hot <= most, "{hot} rumors are hot, over {most}");
        let next = self.next;
        assert_eq!(next.is_some(), hot > 0, "{hot} rumors are hot and told next at {next:?}");
        let latest = Instant(now.after(self.config.period).0.saturating_add(1));
        let in_time = next.is_none_or(|next| now < next && next <= latest);
        assert!(in_time, "it is {now:?}; rumors are told next at {next:?}");
        let last = self.hot.back().map_or(0, |hot| hot.number);
        assert!(last <= self.number, "rumor {last} of {}", self.number);
        if depth.is_glance() {
            return;
        }
        let sorted = self.hot.iter().is_sorted_by(|one, next| one.number < next.number);
        assert!(sorted, "the numbers of hot rumors do not grow");
        for hot in &self.hot {
            let (count, k, key) = (hot.count, self.config.k, hot.entry.key().escape_ascii());
            assert!(count < k.max(1), "{key} is hot after {count} of {k} contacts in vain");
            if self.config.contact == Contact::Blind && self.config.stop == Stop::Counter {
                // And who it came from.
                let (told, most) = (hot.sent.len(), count as usize * self.config.fanout + 1);
                assert!(told <= most, "{key} was told to {told} in {count} rounds, over {most}");
            }
        }
        for (token, (until, numbers)) in &self.asked {
            let in_time = *until <= now.after(self.config.period);
            assert!(in_time && *token != 0, "answer {token} is awaited until {until:?}");
            let told = numbers.iter().all(|number| *number <= self.number);
            assert!(told && !numbers.is_empty(), "answer {token} is about {numbers:?}");
        }
        if depth.is_whole() {
            let keys: Set<_> = self.told().map(|(space, entry)| (space, entry.key())).collect();
            assert_eq!(keys.len(), hot, "keys of hot rumors, and hot rumors");
        }
    }

    /// The entries that are hot.
    pub(crate) fn told(&self) -> impl Iterator<Item = (Space, &Arc<Entry>)> {
        self.hot.iter().map(|hot| (hot.space, &hot.entry))
    }
}
