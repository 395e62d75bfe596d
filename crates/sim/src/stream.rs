//! Streams: frames from one node to another that arrive complete and in order, or break.
//!
//! A direction between two nodes is one stream, opened by its first frame. When it breaks, every
//! frame on its way is lost, and so is every further one until the sender has been told.

use rumormill_core::Instant;
use rumormill_core::base::hash::Map;

/// All streams of the world.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    streams: Map<(u32, u32), Stream>,
    next_id: u32,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    /// When the last frame sent so far arrives: the next one does not overtake it.
    last_arrival: Instant,
    bytes: usize,
    broken: bool,
}

/// What becomes of a frame that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It arrives.
    Arrives { at: Instant, stream: u32 },
    /// It is lost, as was the stream before; the sender hears of that soon.
    Lost,
    /// The stream is now too full and has to be broken.
    Full,
}

/// Streams that are kept open without a frame on its way, at most; over that they are closed.
const IDLE: usize = 4096;

impl Streams {
    /// Opens a stream if there is none: true if that was so. A new one costs a handshake.
    pub(crate) fn open(&mut self, from: usize, to: usize, now: Instant) -> bool {
        let key = (from as u32, to as u32);
        if self.streams.contains_key(&key) {
            return false;
        }
        if self.streams.len() >= IDLE && self.streams.len().is_power_of_two() {
            self.streams.retain(|_, stream| stream.bytes > 0 || stream.broken);
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.streams.insert(key, Stream { id, last_arrival: now, bytes: 0, broken: false });
        true
    }

    /// Puts a frame that would arrive at `at` on an open stream.
    pub(crate) fn send(
        &mut self,
        from: usize,
        to: usize,
        len: usize,
        at: Instant,
        limit: usize,
    ) -> Sent {
        let Some(stream) = self.streams.get_mut(&(from as u32, to as u32)) else {
            return Sent::Lost;
        };
        if stream.broken {
            return Sent::Lost;
        }
        if stream.bytes + len > limit {
            return Sent::Full;
        }
        stream.bytes += len;
        stream.last_arrival = stream.last_arrival.max(at);
        Sent::Arrives { at: stream.last_arrival, stream: stream.id }
    }

    /// True if a frame of this stream may still arrive.
    pub(crate) fn is_open(&self, from: usize, to: usize, id: u32) -> bool {
        self.streams
            .get(&(from as u32, to as u32))
            .is_some_and(|stream| stream.id == id && !stream.broken)
    }

    /// A frame has arrived.
    pub(crate) fn arrived(&mut self, from: usize, to: usize, len: usize) {
        if let Some(stream) = self.streams.get_mut(&(from as u32, to as u32)) {
            stream.bytes = stream.bytes.saturating_sub(len);
        }
    }

    /// Breaks a stream; answers its id if there was one to break.
    pub(crate) fn break_off(&mut self, from: usize, to: usize) -> Option<u32> {
        let stream = self.streams.get_mut(&(from as u32, to as u32))?;
        (!std::mem::replace(&mut stream.broken, true)).then_some(stream.id)
    }

    /// The sender is told that this stream is lost: true if it still has to hear of it.
    pub(crate) fn close(&mut self, from: usize, to: usize, id: u32) -> bool {
        let key = (from as u32, to as u32);
        if self.streams.get(&key).is_none_or(|stream| stream.id != id) {
            return false;
        }
        self.streams.remove(&key);
        true
    }

    /// A node is gone: nothing of what it sent arrives any more. Answers who had streams to it, in
    /// the order of their numbers.
    pub(crate) fn drop_node(&mut self, node: usize) -> Vec<usize> {
        let node = node as u32;
        self.streams.retain(|&(from, _), _| from != node);
        let to_it = self.streams.keys().filter(|&&(_, to)| to == node);
        let mut senders: Vec<usize> = to_it.map(|&(from, _)| from as usize).collect();
        senders.sort_unstable();
        senders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_overtake_each_other() {
        let mut streams = Streams::default();
        assert!(streams.open(0, 1, Instant(0)));
        assert!(!streams.open(0, 1, Instant(0)));
        let first = streams.send(0, 1, 10, Instant(500), 100);
        let second = streams.send(0, 1, 10, Instant(300), 100);
        assert_eq!(first, Sent::Arrives { at: Instant(500), stream: 0 });
        assert_eq!(second, first, "arrives no earlier than the one before it");
    }

    #[test]
    fn a_broken_stream_loses_everything_until_the_sender_is_told() {
        let mut streams = Streams::default();
        streams.open(0, 1, Instant(0));
        streams.send(0, 1, 10, Instant(1), 100);
        assert_eq!(streams.break_off(0, 1), Some(0));
        assert_eq!(streams.break_off(0, 1), None, "the sender is told once");
        assert!(!streams.is_open(0, 1, 0));
        assert_eq!(streams.send(0, 1, 10, Instant(2), 100), Sent::Lost);
        assert!(streams.close(0, 1, 0));
        assert!(streams.open(0, 1, Instant(3)));
        assert!(!streams.close(0, 1, 0), "an old loss does not end the new stream");
        assert!(streams.is_open(0, 1, 1));
    }

    #[test]
    fn what_is_on_its_way_has_a_bound() {
        let mut streams = Streams::default();
        streams.open(0, 1, Instant(0));
        assert!(matches!(streams.send(0, 1, 60, Instant(1), 100), Sent::Arrives { .. }));
        assert_eq!(streams.send(0, 1, 60, Instant(1), 100), Sent::Full);
        streams.arrived(0, 1, 60);
        assert!(matches!(streams.send(0, 1, 60, Instant(1), 100), Sent::Arrives { .. }));
    }

    #[test]
    fn a_node_that_goes_takes_its_own_streams_along_and_breaks_those_to_it() {
        let mut streams = Streams::default();
        for (from, to) in [(2, 1), (0, 1), (1, 0), (0, 2)] {
            streams.open(from, to, Instant(0));
        }
        assert_eq!(streams.drop_node(1), [0, 2]);
        assert!(streams.open(1, 0, Instant(0)), "was gone");
        assert!(!streams.open(0, 2, Instant(0)), "is still there");
    }
}
