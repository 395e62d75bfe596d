//! Who was told something lately, so that nobody is told it at each of many messages.

use super::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Addresses that are remembered for a while; nobody else is told anything while they are many.
#[derive(Debug)]
pub struct Lately {
    pause: Duration,
    most: usize,
    told: VecDeque<(SocketAddr, Instant)>,
}

impl Lately {
    /// Each address once in a `pause`, at most so many addresses in one.
    #[must_use]
    pub fn new(pause: Duration, most: usize) -> Self {
        Self { pause, most, told: VecDeque::new() }
    }

    /// True if an address is to be told now.
    pub fn may_tell(&mut self, to: SocketAddr, now: Instant) -> bool {
        while self.told.front().is_some_and(|(_, at)| at.after(self.pause) <= now) {
            self.told.pop_front();
        }
        if self.told.len() >= self.most || self.has_told(to) {
            return false;
        }
        self.told.push_back((to, now));
        true
    }

    /// True if an address was told lately.
    #[must_use]
    pub fn has_told(&self, to: SocketAddr) -> bool {
        self.told.iter().any(|(told, _)| *told == to)
    }

    /// Checks what must hold at any time.
    pub(crate) fn check(&self, now: Instant) {
        let (told, most) = (self.told.len(), self.most);
        assert!(told <= most, "{told} addresses are remembered, of at most {most}");
        let sorted = self.told.iter().is_sorted_by_key(|(_, at)| *at);
        assert!(sorted, "addresses are not in the order in which they were told");
        let latest = self.told.back().map(|(_, at)| *at);
        assert!(latest.is_none_or(|at| at <= now), "it is {now:?}; one was told at {latest:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_a_while_and_not_too_many() {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let mut lately = Lately::new(Duration::from_secs(1), 2);
        let mut tell = |port, ms: u64| lately.may_tell(at(port), Instant(ms * 1000));
        assert!(tell(1, 0) && !tell(1, 500) && tell(2, 600));
        assert!(!tell(3, 700), "too many");
        assert!(tell(3, 1000) && tell(1, 1600) && !tell(3, 1600));
    }
}
