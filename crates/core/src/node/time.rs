//! What follows from the time.

use super::Node;
use crate::base::time::Now;

impl Node {
    /// What time it is: if the wall clock was set back, what had expired stays so.
    pub(super) fn look_at_clock(&mut self, now: Now) {
        self.hours.time(now);
        let trusted = self.hours.is_plausible(now);
        self.standing.trust_clock(trusted.then(|| self.hours.stamp_ms(now)));
        if !std::mem::replace(&mut self.looked, true) {
            self.look_at_ended(now);
        }
        self.ended.look(now.wall_ms, &self.replica.data);
    }

    /// After a start: what had expired by the time of the last stamp that is on disk has expired,
    /// though the clock was set back since, if that time is one that others would take.
    fn look_at_ended(&mut self, now: Now) {
        let seen_ms = self.replica.clock.last() >> 16;
        if seen_ms > now.wall_ms && self.replica.clock.leads(seen_ms << 16, now.wall_ms) {
            self.ended.remember(now.wall_ms, seen_ms, &self.replica.data);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::id::NodeId;
    use crate::base::time::{Instant, Now};
    use crate::config::Config;
    use crate::data::{Expiry, Op};
    use crate::member::Identity;
    use crate::node::Node;
    use std::sync::Arc;

    const WALL: u64 = 1_800_000_000_000;

    #[test]
    fn what_has_expired_does_not_come_back_though_the_clock_is_set_back() {
        let at = |mono_ms: u64, wall_ms| Now { mono: Instant(mono_ms * 1000), wall_ms };
        let gossip = std::net::SocketAddr::from(([10, 0, 0, 1], 1));
        let identity = Identity::new(NodeId(1), "n", gossip);
        let mut node = Node::new(Config::default(), identity, 1, at(0, WALL));
        let (key, value) = (b"k"[..].into(), b"v"[..].into());
        let put = Op::Put { key, value, expiry: Expiry::At(WALL + 60_000) };
        node.write(put, at(0, WALL), &mut Vec::new()).unwrap();
        let append = |node: &mut Node, now: Now| {
            let op = Op::Append { key: b"k"[..].into(), tail: b"+"[..].into() };
            node.write(op, now, &mut Vec::new()).unwrap().previous.is_some()
        };
        let held = Arc::clone(node.data().get(b"k").unwrap());
        let later = at(61_000, WALL + 61_000);
        node.flush(later, &mut Vec::new());
        assert!(!node.shows(&held, later.wall_ms));
        // Two minutes back: it would have a minute to live again.
        let back = at(62_000, WALL - 59_000);
        node.flush(back, &mut Vec::new());
        assert!(held.live_at(back.wall_ms) && !node.shows(&held, back.wall_ms));
        // The stamp that is held is a minute ahead of this clock, which nobody has confirmed.
        assert!(!append(&mut node, back), "it begins with nothing");
        assert!(append(&mut node, back), "and is there then");
    }
}
