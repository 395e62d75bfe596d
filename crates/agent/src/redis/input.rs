//! What has arrived on a connection and is not yet carried out.

use super::resp::{Limits, Parser, ProtocolError, Request};
use std::io;
use tokio::net::TcpStream;

/// Bytes for which room is made before the first read.
const FIRST_READ: usize = 1024;
/// Most bytes read ahead at once.
const MAX_READ: usize = 64 * 1024;

/// A buffer that grows with what really arrives, and shrinks again when it is empty.
#[derive(Debug)]
pub(super) struct Input {
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
    pub(super) fn parse(&mut self, limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        self.parser.parse(self.bytes.get(self.start..).unwrap_or_default(), limits)
    }

    /// The request that [`Input::parse`] has found.
    pub(super) fn request(&self) -> Request<'_> {
        self.parser.request(self.bytes.get(self.start..).unwrap_or_default())
    }

    /// Passes over the request that [`Input::parse`] has found.
    pub(super) fn consume(&mut self, len: usize) {
        self.parser.reset();
        self.start += len;
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            self.bytes.shrink_to(MAX_READ);
        }
    }

    /// Bytes that have to be allocated before the next read, if that makes the buffer a large one.
    pub(super) fn grows_large(&self) -> bool {
        let room = self.room();
        let len = self.bytes.len() - self.start;
        len + room > 2 * MAX_READ && self.bytes.capacity() < len + room
    }

    /// Reads what is there; 0 at the end of the stream.
    pub(super) fn fill(&mut self, stream: &TcpStream) -> io::Result<usize> {
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
    pub(super) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.parser.release();
        }
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Room to make: enough for the argument at hand, but no more than has arrived already, so that
    /// a claimed length costs its sender as much as it costs us.
    fn room(&self) -> usize {
        let arrived = self.bytes.get(self.start..).unwrap_or_default();
        let missing = self.parser.missing(arrived);
        self.read.max(missing.min(arrived.len().max(MAX_READ)).min(missing))
    }
}
