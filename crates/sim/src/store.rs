//! What waits for a node's disk, as in an agent (`driver/ledger.rs` there).
//!
//! Nothing that reveals an entry goes out before the entry has got to the disk, but for news of members:
//! a slow disk must not look like a death. Of a turn after which the node waits for its disk nothing goes
//! out before, news of members included, and of later turns no data. A disk that has failed lets go out
//! what waits, since others may keep what it cannot, but for what is behind such a turn.

use crate::faults::Does;
use rumormill_core::output::{Class, Send};
use std::collections::VecDeque;

/// Bytes of packets that are kept for a disk that does not answer; over that the oldest go.
const HELD_BYTES: usize = 64 << 20;

/// What waits for a disk.
#[derive(Debug, Default)]
pub(crate) struct Store {
    does: Does,
    /// Turns with something to write, and up to which the disk has answered.
    submitted: u64,
    done: u64,
    /// The last turn of which everything must be on the disk before anything that follows goes out.
    barrier: Option<u64>,
    packets: VecDeque<(u64, Send)>,
    packet_bytes: usize,
    /// Bytes of keys and values that have not got to the disk.
    backlog: usize,
}

impl Store {
    /// What the disk does.
    pub(crate) fn does(&self) -> Does {
        self.does
    }

    /// Bytes of keys and values that have not got to the disk.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog
    }

    /// A turn has so many bytes to write. With `barrier` all that follows in it waits for the disk.
    pub(crate) fn submit(&mut self, bytes: usize, barrier: bool) {
        self.submitted += 1;
        self.backlog += bytes;
        if barrier {
            self.barrier = Some(self.submitted);
        }
        if self.does == Does::Fails {
            // It answers at once that it could not.
            self.done = self.submitted;
        }
    }

    /// True if a packet that does not follow a barrier in its turn may be sent at once.
    fn admits(&self, packet: &Send) -> bool {
        let settled = self.done == self.submitted && self.barrier.is_none();
        packet.class == Class::Membership || settled
    }

    /// Takes a packet, which follows a barrier of its own turn or not: answers it if it goes out now.
    pub(crate) fn pass(&mut self, packet: Send, barred: bool) -> Option<Send> {
        if !barred && self.admits(&packet) {
            return Some(packet);
        }
        // Behind a barrier that the disk has not written: as if it were lost.
        if self.barrier.is_some_and(|barrier| barrier <= self.done) {
            return None;
        }
        self.packet_bytes += packet.bytes.len();
        self.packets.push_back((self.submitted, packet));
        while self.packet_bytes > HELD_BYTES
            && let Some((_, packet)) = self.packets.pop_front()
        {
            self.packet_bytes -= packet.bytes.len();
        }
        None
    }

    /// From now on the disk does something else. Answers what goes out now.
    pub(crate) fn turn(&mut self, does: Does) -> Vec<Send> {
        self.does = does;
        if does == Does::Hangs {
            return Vec::new();
        }
        self.done = self.submitted;
        if does == Does::Works {
            // What was not written is written now, all of it.
            (self.barrier, self.backlog) = (None, 0);
        }
        self.packet_bytes = 0;
        let barrier = self.barrier;
        let goes =
            |(number, packet)| barrier.is_none_or(|barrier| number < barrier).then_some(packet);
        std::mem::take(&mut self.packets).into_iter().filter_map(goes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::address;
    use rumormill_core::output::Via;

    fn packet(class: Class) -> Send {
        Send { to: address(1), via: Via::Datagram, class, bytes: vec![0; 9] }
    }

    #[test]
    fn a_disk_that_hangs_holds_data_back_and_no_news_of_members() {
        let mut store = Store::default();
        assert!(store.turn(Does::Hangs).is_empty());
        // What shows nothing that is not on the disk need not wait.
        assert!(store.pass(packet(Class::Updates), false).is_some());
        store.submit(5, false);
        assert!(store.pass(packet(Class::Updates), false).is_none());
        assert!(store.pass(packet(Class::Membership), false).is_some());
        // News of members wait in the turn of a barrier, and not later.
        store.submit(5, true);
        assert!(store.pass(packet(Class::Membership), true).is_none());
        assert!(store.pass(packet(Class::Membership), false).is_some());
        assert_eq!(store.backlog(), 10);
        let out: Vec<Class> = store.turn(Does::Works).iter().map(|packet| packet.class).collect();
        assert_eq!(out, [Class::Updates, Class::Membership]);
        assert_eq!(store.backlog(), 0);
        assert!(store.pass(packet(Class::Repair), false).is_some());
    }

    #[test]
    fn behind_a_barrier_that_was_not_written_nothing_follows() {
        let mut store = Store::default();
        store.turn(Does::Hangs);
        store.submit(5, false);
        store.pass(packet(Class::Updates), false);
        store.submit(5, true);
        store.pass(packet(Class::Updates), true);
        assert_eq!(store.turn(Does::Fails).len(), 1, "what is behind the barrier is dropped");
        assert!(store.pass(packet(Class::Repair), false).is_none());
        assert!(store.pass(packet(Class::Membership), false).is_some());
        assert!(store.turn(Does::Works).is_empty());
        assert!(store.pass(packet(Class::Repair), false).is_some());
        store.turn(Does::Fails);
        store.submit(5, false);
        assert!(store.pass(packet(Class::Updates), false).is_some(), "others may keep it");
    }
}
