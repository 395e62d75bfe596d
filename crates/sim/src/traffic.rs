//! Counts of what nodes sent and received, by class and transport.

use rumormill_core::output::{Class, Via};
use std::ops::AddAssign;

/// Messages and their payload bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Datagrams or frames.
    pub messages: u64,
    /// Payload bytes in them.
    pub bytes: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// What one node, or all together, sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    sent: Table,
    received: Table,
    /// By class: sent to nodes in other zones.
    across: [Count; Class::ALL.len()],
}

/// By class, then by transport.
type Table = [[Count; 2]; Class::ALL.len()];

impl Traffic {
    /// What was sent in this class, over both transports. What the network lost is in it.
    #[must_use]
    pub fn sent(&self, class: Class) -> Count {
        sum([self.sent_via(class, Via::Datagram), self.sent_via(class, Via::Stream)])
    }

    /// What was sent in this class over this transport.
    #[must_use]
    pub fn sent_via(&self, class: Class, via: Via) -> Count {
        self.sent[class as usize][via as usize]
    }

    /// What was received in this class, over both transports.
    #[must_use]
    pub fn received(&self, class: Class) -> Count {
        sum([self.received_via(class, Via::Datagram), self.received_via(class, Via::Stream)])
    }

    /// What was received in this class over this transport.
    #[must_use]
    pub fn received_via(&self, class: Class, via: Via) -> Count {
        self.received[class as usize][via as usize]
    }

    /// What was sent in this class to nodes that stand in other zones.
    #[must_use]
    pub fn across(&self, class: Class) -> Count {
        self.across[class as usize]
    }

    /// Everything that was sent.
    #[must_use]
    pub fn all_sent(&self) -> Count {
        sum(Class::ALL.map(|class| self.sent(class)))
    }

    /// Everything that was received.
    #[must_use]
    pub fn all_received(&self) -> Count {
        sum(Class::ALL.map(|class| self.received(class)))
    }

    pub(crate) fn count_sent(&mut self, class: Class, via: Via, bytes: usize) {
        self.sent[class as usize][via as usize] += Count { messages: 1, bytes: bytes as u64 };
    }

    pub(crate) fn count_across(&mut self, class: Class, bytes: usize) {
        self.across[class as usize] += Count { messages: 1, bytes: bytes as u64 };
    }

    pub(crate) fn count_received(&mut self, class: Class, via: Via, bytes: usize) {
        self.received[class as usize][via as usize] += Count { messages: 1, bytes: bytes as u64 };
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.sent, &other.sent), (&mut self.received, &other.received)]
        {
            for (mine, theirs) in mine.iter_mut().flatten().zip(theirs.iter().flatten()) {
                *mine += *theirs;
            }
        }
        for (mine, theirs) in self.across.iter_mut().zip(other.across) {
            *mine += theirs;
        }
    }
}

fn sum<const N: usize>(counts: [Count; N]) -> Count {
    let mut sum = Count::default();
    for count in counts {
        sum += count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_transports_are_counted_apart_and_add_up() {
        let mut traffic = Traffic::default();
        traffic.count_sent(Class::Updates, Via::Datagram, 10);
        traffic.count_sent(Class::Updates, Via::Stream, 100);
        traffic.count_sent(Class::Repair, Via::Datagram, 1);
        traffic.count_received(Class::Membership, Via::Datagram, 7);
        assert_eq!(traffic.sent(Class::Updates), Count { messages: 2, bytes: 110 });
        assert_eq!(traffic.sent_via(Class::Updates, Via::Stream).bytes, 100);
        assert_eq!(traffic.all_sent(), Count { messages: 3, bytes: 111 });
        let mut both = traffic;
        both += traffic;
        assert_eq!(both.all_received(), Count { messages: 2, bytes: 14 });
    }
}
