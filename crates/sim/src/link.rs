//! The links of nodes: how many bytes each can send and receive a second, and what waits.
//!
//! Datagrams go before streams, as in a system whose queue is fair to small flows; streams take what
//! is left. What would wait behind more than the queue holds is dropped if it is a datagram; a
//! stream waits, as TCP makes its sender do.

use rumormill_core::Instant;

/// Bytes of IP and UDP headers that a datagram takes on the link beside its payload.
pub(crate) const HEADERS: usize = 28;
/// The least that a queue holds, bytes.
const QUEUE: u64 = 64 << 10;

/// One direction of every node's link.
#[derive(Debug)]
pub(crate) struct Links {
    /// Bytes a second; 0 if there is no bound.
    rate: u64,
    /// Microseconds of sending that a queue holds.
    depth: u64,
    /// By node: when the datagrams, and when all bytes, that wait so far are through.
    busy: Vec<Busy>,
    /// Datagrams that found the queue full.
    pub(crate) dropped: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    datagrams: u64,
    streams: u64,
}

impl Links {
    pub(crate) fn new(nodes: usize, rate: Option<u64>) -> Self {
        let rate = rate.unwrap_or(0);
        let busy = if rate > 0 { vec![Busy::default(); nodes] } else { Vec::new() };
        let depth = match rate {
            0 => 0,
            // A tenth of a second, but not less than what a default socket holds.
            rate => 100_000.max(QUEUE.saturating_mul(1_000_000) / rate),
        };
        Self { rate, depth, busy, dropped: 0 }
    }

    pub(crate) fn bounded(&self) -> bool {
        self.rate > 0
    }

    fn takes(&self, len: usize) -> u64 {
        ((len as u64).saturating_mul(1_000_000) / self.rate.max(1)).max(1)
    }

    /// How long a datagram takes to get through; `None` if it is dropped.
    pub(crate) fn datagram(&mut self, node: usize, len: usize, now: Instant) -> Option<u64> {
        let takes = self.takes(len + HEADERS);
        let Some(busy) = self.busy.get_mut(node) else { return Some(0) };
        let begins = busy.datagrams.max(now.0);
        if begins - now.0 > self.depth {
            self.dropped += 1;
            return None;
        }
        busy.datagrams = begins.saturating_add(takes);
        if busy.streams > now.0 {
            busy.streams = busy.streams.saturating_add(takes);
        }
        Some(busy.datagrams - now.0)
    }

    /// How long a frame of a stream takes to get through.
    pub(crate) fn frame(&mut self, node: usize, len: usize, now: Instant) -> u64 {
        let takes = self.takes(len);
        let Some(busy) = self.busy.get_mut(node) else { return 0 };
        let begins = busy.streams.max(busy.datagrams).max(now.0);
        busy.streams = begins.saturating_add(takes);
        busy.streams - now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_queue_and_the_queue_has_a_bound() {
        // A byte a microsecond: a queue of a tenth of a second holds 100,000.
        let mut links = Links::new(2, Some(1_000_000));
        let now = Instant(50);
        assert_eq!(links.datagram(0, 972, now), Some(1000));
        assert_eq!(links.datagram(0, 972, now), Some(2000));
        assert_eq!(links.datagram(1, 972, now), Some(1000), "each node has its own");
        let taken = (0..200).filter(|_| links.datagram(0, 972, now).is_some()).count();
        assert_eq!(taken, 99);
        assert_eq!(links.dropped, 101);
        assert_eq!(links.datagram(0, 972, Instant(50 + 101_000)), Some(1000), "it has drained");
    }

    #[test]
    fn streams_take_what_datagrams_leave() {
        let mut links = Links::new(1, Some(1_000_000));
        let now = Instant(0);
        assert_eq!(links.frame(0, 500_000, now), 500_000);
        assert_eq!(links.datagram(0, 972, now), Some(1000), "goes before the frame");
        assert_eq!(links.frame(0, 1000, now), 502_000, "and pushes it back");
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let mut links = Links::new(1, None);
        assert_eq!(
            (links.datagram(0, 1400, Instant(0)), links.frame(0, 1 << 20, Instant(0))),
            (Some(0), 0)
        );
        assert!(!links.bounded());
    }
}
