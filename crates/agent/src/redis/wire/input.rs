//! What has arrived on a connection and is not yet carried out.

use super::resp::{Limits, Parser, ProtocolError, Request};
use super::stream::Stream;
use std::io;

/// Bytes for which room is made before the first read.
const FIRST_READ: usize = 1024;
/// Most bytes read ahead at once.
const MAX_READ: usize = 64 * 1024;

/// A buffer that grows with what really arrives, and shrinks again when it is empty.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Where the request at hand begins.
    start: usize,
    parser: Parser,
    /// Bytes for which the next read makes room.
    read: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, parser: Parser::default(), read: FIRST_READ }
    }
}

impl Input {
    /// Looks for the next whole request; its length if it is there.
    pub(crate) fn parse(&mut self, limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        self.parser.parse(self.bytes.get(self.start..).unwrap_or_default(), limits)
    }

    /// The request that [`Input::parse`] has found.
    pub(crate) fn request(&self) -> Request<'_> {
        self.parser.request(self.bytes.get(self.start..).unwrap_or_default())
    }

    /// Passes over the request that [`Input::parse`] has found.
    pub(crate) fn consume(&mut self, len: usize) {
        self.parser.reset();
        self.start += len;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            self.bytes.shrink_to(MAX_READ);
        }
    }

    /// Bytes that have to be allocated before the next read, if that makes the buffer a large one.
    pub(crate) fn grows_large(&self) -> bool {
        let room = self.room();
        let len = self.bytes.len() - self.start;
        len + room > 2 * MAX_READ && self.bytes.capacity() < len + room
    }

    /// Reads what is there; 0 at the end of the stream.
    pub(crate) fn fill(&mut self, stream: &mut Stream) -> io::Result<usize> {
        if self.start > 0 {
            // A request that is cut short moves to the front once, when the one before it is done.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.reserve(self.room());
        let n = stream.try_read_buf(&mut self.bytes)?;
        if n >= self.read {
            self.read = (self.read * 4).min(MAX_READ);
        } else if n < self.read / 8 {
            self.read = (self.read / 2).max(FIRST_READ);
        }
        Ok(n)
    }

    /// Gives memory back while nothing has arrived.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.parser.release();
        }
    }

    /// Bytes allocated for what has arrived.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes allocated, the places of arguments included.
    pub(crate) fn allocated(&self) -> usize {
        self.capacity() + self.parser.capacity()
    }

    /// Room to make for the next read. A claimed length makes room only as its bytes arrive, so that
    /// it costs its sender as much as it costs us.
    fn room(&self) -> usize {
        let arrived = self.bytes.get(self.start..).unwrap_or_default();
        match self.parser.missing(arrived) {
            0 => self.read,
            missing if arrived.len() <= MAX_READ => missing.min(MAX_READ).max(self.read),
            missing => missing.min(arrived.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { args: 1000, bulk: 2 << 20, request: 64 << 20, authenticated: true };

    /// Takes bytes as if they had been read, and says how much was allocated at most.
    fn feed(input: &mut Input, bytes: &[u8]) -> usize {
        let mut most = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            input.bytes.drain(..input.start);
            input.start = 0;
            input.bytes.reserve(input.room());
            let n = (input.bytes.capacity() - input.bytes.len()).min(rest.len());
            let (now, later) = rest.split_at(n);
            input.bytes.extend_from_slice(now);
            rest = later;
            most = most.max(input.capacity());
            while let Some(len) = input.parse(&LIMITS).unwrap() {
                input.consume(len);
            }
        }
        most
    }

    #[test]
    fn grows_with_what_arrives_and_shrinks_again() {
        let mut input = Input::default();
        assert!(feed(&mut input, b"*2\r\n$3\r\nGET\r\n$2097152\r\n") <= 2 * FIRST_READ);
        // A claim alone gets no more than one read's worth.
        assert!(feed(&mut input, b"x") <= 2 * MAX_READ);
        let most = feed(&mut input, &[b'x'; (2 << 20) - 1]);
        assert!(most < 5 << 20, "{most}");
        feed(&mut input, b"\r\n");
        assert!(input.capacity() <= MAX_READ);
        input.release();
        assert_eq!(input.capacity(), 0);
    }
}
