//! What has to wait until entries are durable.
//!
//! A write is acknowledged, and whatever reveals an entry is sent, only after the entry has reached
//! the store. Each batch that goes to the store gets a number; replies and packets wait for the
//! latest number at their time. Membership does not wait: a slow disk must not look like a death.
//!
//! Some batches say what this node has promised to others, or is about to show them for the first
//! time. They are a barrier: of their turn nothing goes out before they are on the disk, membership
//! included, and of later turns no data; nor does it if the store fails, until it has recovered.

use crate::command::WriteReply;
use crate::error::WriteError;
use rumormill_core::data::{Outcome, Refused};
use rumormill_core::output::{Class, Send};
use std::collections::VecDeque;

/// Packets kept for a store that does not answer; over that the oldest are dropped and counted.
const HELD_BYTES: usize = 64 * 1024 * 1024;

type Outcomes = Vec<Result<Outcome, Refused>>;

#[derive(Default)]
pub(crate) struct Ledger {
    submitted: u64,
    done: u64,
    /// The latest batch that has to be on the disk before anything that follows goes out.
    barrier: Option<u64>,
    packets: VecDeque<(u64, Send)>,
    packet_bytes: usize,
    replies: VecDeque<(u64, WriteReply, Outcomes)>,
}

impl Ledger {
    /// The number for a batch that goes to the store now.
    pub(crate) fn submit(&mut self) -> u64 {
        self.submitted += 1;
        self.submitted
    }

    /// True if nothing waits for the store.
    pub(crate) fn is_settled(&self) -> bool {
        self.done == self.submitted
    }

    /// The number for a batch that is a barrier.
    pub(crate) fn submit_barrier(&mut self) -> u64 {
        let number = self.submit();
        self.barrier = Some(number);
        number
    }

    /// The number for the batch with which all is written again: a barrier if one was not written.
    pub(crate) fn submit_again(&mut self) -> u64 {
        match self.barrier {
            Some(_) => self.submit_barrier(),
            None => self.submit(),
        }
    }

    /// True if a packet that does not follow a barrier in its turn may be sent at once.
    pub(crate) fn admits(&self, packet: &Send) -> bool {
        packet.class == Class::Membership || self.is_settled() && self.barrier.is_none()
    }

    /// True if the store has failed behind a barrier: nothing that waits for it will be sent.
    fn is_barred(&self) -> bool {
        self.barrier.is_some_and(|barrier| barrier <= self.done)
    }

    /// Keeps a packet until everything submitted so far is durable; returns how many had to be
    /// dropped: older ones, or itself.
    pub(crate) fn hold_packet(&mut self, packet: Send) -> usize {
        if self.is_barred() {
            return 1;
        }
        self.packet_bytes += packet.bytes.len();
        self.packets.push_back((self.submitted, packet));
        let mut dropped = 0;
        while self.packet_bytes > HELD_BYTES
            && let Some((_, packet)) = self.packets.pop_front()
        {
            self.packet_bytes -= packet.bytes.len();
            dropped += 1;
        }
        dropped
    }

    /// Answers a write when everything submitted so far is durable.
    pub(crate) fn hold_reply(&mut self, reply: WriteReply, outcomes: Outcomes) {
        self.replies.push_back((self.submitted, reply, outcomes));
    }

    /// Everything up to `upto` is durable, or failed for the reason given: answers what waited for
    /// it, and hands out the packets; returns how many were dropped instead. They go out after a
    /// failure too, since peers may still make durable what this node cannot, but for those behind a
    /// barrier.
    pub(crate) fn settle(
        &mut self,
        upto: u64,
        failure: Option<&str>,
        mut send: impl FnMut(Send),
    ) -> usize {
        self.done = self.done.max(upto);
        if failure.is_none() {
            self.barrier = self.barrier.filter(|barrier| *barrier > self.done);
        }
        let barrier = self.barrier.filter(|barrier| *barrier <= self.done);
        let mut dropped = 0;
        while self.packets.front().is_some_and(|(number, _)| *number <= self.done)
            && let Some((number, packet)) = self.packets.pop_front()
        {
            self.packet_bytes -= packet.bytes.len();
            match barrier.is_some_and(|barrier| number >= barrier) {
                true => dropped += 1,
                false => send(packet),
            }
        }
        while self.replies.front().is_some_and(|(number, ..)| *number <= self.done)
            && let Some((_, reply, outcomes)) = self.replies.pop_front()
        {
            // An error means that the writer no longer waits.
            let _ = reply.send(match failure {
                None => Ok(outcomes),
                Some(reason) => Err(WriteError::Store(reason.to_owned())),
            });
        }
        dropped
    }

    /// Answers all writes that wait that it is not known whether they will be durable; what they
    /// have written goes its way.
    pub(crate) fn give_up_replies(&mut self, reason: &str) {
        for (_, reply, _) in self.replies.drain(..) {
            // An error means that the writer no longer waits.
            let _ = reply.send(Err(WriteError::Store(reason.to_owned())));
        }
    }

    /// The store has recovered, and everything that it had failed to write is on the disk.
    pub(crate) fn recovered(&mut self) {
        self.barrier = self.barrier.filter(|barrier| *barrier > self.done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::output::Via;
    use tokio::sync::oneshot;

    fn packet(bytes: usize) -> Send {
        let to = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        Send { to, via: Via::Datagram, class: Class::Updates, bytes: vec![0; bytes] }
    }

    #[test]
    fn nothing_goes_out_before_its_batch_is_durable() {
        let mut ledger = Ledger::default();
        assert_eq!((ledger.submit(), ledger.is_settled()), (1, false));
        assert_eq!(ledger.hold_packet(packet(1)), 0);
        let (reply, mut answer) = oneshot::channel();
        ledger.hold_reply(reply, Vec::new());
        assert_eq!(ledger.submit(), 2);
        ledger.hold_packet(packet(2));
        let mut sent = Vec::new();
        assert!(answer.try_recv().is_err());
        ledger.settle(1, None, |packet| sent.push(packet.bytes.len()));
        assert!(matches!(answer.try_recv(), Ok(Ok(_))));
        assert_eq!((sent.as_slice(), ledger.is_settled()), ([1].as_slice(), false));
        ledger.settle(2, Some("disk full"), |packet| sent.push(packet.bytes.len()));
        assert_eq!((sent.as_slice(), ledger.is_settled()), ([1, 2].as_slice(), true));
    }

    fn of(class: Class) -> Send {
        Send { class, ..packet(1) }
    }

    #[test]
    fn data_waits_behind_a_barrier_and_membership_of_later_turns_does_not() {
        let mut ledger = Ledger::default();
        assert!(ledger.admits(&of(Class::Repair)));
        let barrier = ledger.submit_barrier();
        // What follows in the turn is held, whatever it is.
        ledger.hold_packet(of(Class::Membership));
        assert!(ledger.admits(&of(Class::Membership)) && !ledger.admits(&of(Class::Updates)));
        ledger.hold_packet(of(Class::Updates));
        let mut sent = Vec::new();
        assert_eq!(ledger.settle(barrier - 1, None, |packet| sent.push(packet.class)), 0);
        assert!(sent.is_empty());
        assert_eq!(ledger.settle(barrier, None, |packet| sent.push(packet.class)), 0);
        assert_eq!(sent, [Class::Membership, Class::Updates]);
        assert!(ledger.admits(&of(Class::Repair)));
    }

    #[test]
    fn nothing_follows_a_barrier_that_the_store_has_not_written() {
        let mut ledger = Ledger::default();
        ledger.submit();
        ledger.hold_packet(packet(1));
        let barrier = ledger.submit_barrier();
        ledger.hold_packet(packet(2));
        let mut sent = Vec::new();
        let mut send = |packet: Send| sent.push(packet.bytes.len());
        assert_eq!(ledger.settle(barrier, Some("disk full"), &mut send), 1);
        // Until it has recovered what may say more than the disk is dropped, as if it were lost.
        assert!(ledger.is_settled() && !ledger.admits(&of(Class::Repair)));
        assert_eq!(ledger.hold_packet(packet(3)), 1);
        assert!(ledger.admits(&of(Class::Membership)));
        let next = ledger.submit();
        assert_eq!(ledger.settle(next, Some("disk full"), &mut send), 0);
        assert!(!ledger.admits(&of(Class::Repair)));
        ledger.recovered();
        assert!(ledger.admits(&of(Class::Repair)));
        // One that was submitted after that is waited for as ever.
        assert!(ledger.submit_again() > next && ledger.is_settled() != ledger.barrier.is_none());
        let later = ledger.submit_barrier();
        assert_eq!(ledger.submit_again(), later + 1, "and moves to where all is written again");
        let later = later + 1;
        ledger.recovered();
        assert!(!ledger.admits(&of(Class::Repair)));
        ledger.hold_packet(packet(4));
        ledger.settle(later, None, &mut send);
        assert_eq!(sent, [1, 4]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut ledger = Ledger::default();
        ledger.submit();
        for _ in 0..4 {
            assert_eq!(ledger.hold_packet(packet(HELD_BYTES / 4)), 0);
        }
        assert_eq!(ledger.hold_packet(packet(1)), 1);
    }
}
