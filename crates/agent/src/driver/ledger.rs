//! What has to wait until entries are durable.
//!
//! A write is acknowledged, and whatever reveals an entry is sent, only after the entry has reached
//! the store. Each batch that goes to the store gets a number; replies and packets wait for the
//! latest number at their time. Membership does not wait: a slow disk must not look like a death.

use crate::command::WriteReply;
use crate::error::WriteError;
use rumormill_core::data::{Outcome, Refused};
use rumormill_core::output::Send;
use std::collections::VecDeque;

/// Packets kept for a store that does not answer; over that the oldest are dropped and counted.
const HELD_BYTES: usize = 64 * 1024 * 1024;

type Outcomes = Vec<Result<Outcome, Refused>>;

#[derive(Default)]
pub(crate) struct Ledger {
    submitted: u64,
    done: u64,
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

    /// Keeps a packet until everything submitted so far is durable; returns how many older ones had
    /// to be dropped for it.
    pub(crate) fn hold_packet(&mut self, packet: Send) -> usize {
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
    /// it, and hands out the packets. They go out after a failure too: peers may still make
    /// durable what this node cannot.
    pub(crate) fn settle(&mut self, upto: u64, failure: Option<&str>, mut send: impl FnMut(Send)) {
        self.done = self.done.max(upto);
        while self.packets.front().is_some_and(|(number, _)| *number <= self.done)
            && let Some((_, packet)) = self.packets.pop_front()
        {
            self.packet_bytes -= packet.bytes.len();
            send(packet);
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::output::{Class, Via};
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
