//! Replies, in RESP2 or RESP3, gathered in a buffer until the connection sends them.

use super::number;

/// Which protocol a client has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Proto {
    /// RESP2, until `HELLO 3`.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Proto {
    /// 2 or 3.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    sent: usize,
    /// How to say what the protocols say differently.
    pub proto: Proto,
    /// True while a client wants no replies (`CLIENT REPLY`).
    pub muted: bool,
    /// Errors answered.
    pub faults: u64,
}

impl Out {
    /// Bytes that are not sent yet.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Notes that bytes were sent.
    pub(crate) fn sent(&mut self, n: usize) {
        self.sent += n;
        if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= self.bytes.len() / 2 {
            // Moves less than what was sent since the last move, so the cost stays linear.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Gives memory back once everything is sent.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Bytes allocated.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn push(&mut self, bytes: &[u8]) {
        if !self.muted {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn header(&mut self, kind: u8, n: i64) {
        if !self.muted {
            self.bytes.push(kind);
            number::push(n, &mut self.bytes);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    fn length(&mut self, kind: u8, n: usize) {
        self.header(kind, i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// `+OK`.
    pub(crate) fn ok(&mut self) {
        self.push(b"+OK\r\n");
    }

    /// A short text without line ends.
    pub(crate) fn simple(&mut self, text: &str) {
        self.push(b"+");
        self.push(text.as_bytes());
        self.push(b"\r\n");
    }

    /// An error: a code in capitals, a space, a sentence. Line ends in it become spaces.
    pub(crate) fn fault(&mut self, text: &str) {
        self.faults += 1;
        self.push(b"-");
        if text.contains(['\r', '\n']) {
            self.push(text.replace(['\r', '\n'], " ").as_bytes());
        } else {
            self.push(text.as_bytes());
        }
        self.push(b"\r\n");
    }

    /// An integer.
    pub(crate) fn int(&mut self, n: i64) {
        self.header(b':', n);
    }

    /// A count as an integer.
    pub(crate) fn count(&mut self, n: usize) {
        self.length(b':', n);
    }

    /// A byte string.
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.length(b'$', bytes.len());
        self.push(bytes);
        self.push(b"\r\n");
    }

    /// A byte string, or null.
    pub(crate) fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Text for people; a verbatim string in RESP3.
    pub(crate) fn verbatim(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.push(b"txt:");
                self.push(text.as_bytes());
                self.push(b"\r\n");
            }
        }
    }

    /// Null, where a byte string could be.
    pub(crate) fn null(&mut self) {
        match self.proto {
            Proto::Resp2 => self.push(b"$-1\r\n"),
            Proto::Resp3 => self.push(b"_\r\n"),
        }
    }

    /// Null, where an array could be.
    pub(crate) fn null_array(&mut self) {
        match self.proto {
            Proto::Resp2 => self.push(b"*-1\r\n"),
            Proto::Resp3 => self.push(b"_\r\n"),
        }
    }

    /// The head of an array of `n` elements, which follow.
    pub(crate) fn array(&mut self, n: usize) {
        self.length(b'*', n);
    }

    /// The head of a map of `n` pairs, which follow.
    pub(crate) fn map(&mut self, n: usize) {
        match self.proto {
            Proto::Resp2 => self.length(b'*', 2 * n),
            Proto::Resp3 => self.length(b'%', n),
        }
    }

    /// The head of a set of `n` elements, which follow.
    pub(crate) fn set(&mut self, n: usize) {
        match self.proto {
            Proto::Resp2 => self.length(b'*', n),
            Proto::Resp3 => self.length(b'~', n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(proto: Proto, say: impl FnOnce(&mut Out)) -> String {
        let mut out = Out { proto, ..Out::default() };
        say(&mut out);
        String::from_utf8(out.unsent().to_vec()).unwrap()
    }

    #[test]
    fn both_protocols() {
        for (proto, null, nulls, map, set, text) in [
            (Proto::Resp2, "$-1\r\n", "*-1\r\n", "*4\r\n", "*2\r\n", "$2\r\nhi\r\n"),
            (Proto::Resp3, "_\r\n", "_\r\n", "%2\r\n", "~2\r\n", "=6\r\ntxt:hi\r\n"),
        ] {
            assert_eq!(said(proto, Out::null), null);
            assert_eq!(said(proto, Out::null_array), nulls);
            assert_eq!(said(proto, |out| out.map(2)), map);
            assert_eq!(said(proto, |out| out.set(2)), set);
            assert_eq!(said(proto, |out| out.verbatim("hi")), text);
            assert_eq!(said(proto, |out| out.int(-7)), ":-7\r\n");
            assert_eq!(said(proto, |out| out.bulk(b"")), "$0\r\n\r\n");
            assert_eq!(said(proto, |out| out.fault("ERR a\r\nb")), "-ERR a  b\r\n");
        }
    }

    #[test]
    fn sending_in_pieces_keeps_the_order() {
        let mut out = Out::default();
        let mut got = Vec::new();
        for round in 0..200 {
            out.int(round);
            let n = (round as usize * 7 % 11).min(out.unsent().len());
            got.extend_from_slice(&out.unsent()[..n]);
            out.sent(n);
        }
        got.extend_from_slice(out.unsent());
        let expected: String = (0..200).map(|n| format!(":{n}\r\n")).collect();
        assert_eq!(got, expected.as_bytes());
    }

    #[test]
    fn muted_says_nothing() {
        let mut out = Out { muted: true, ..Out::default() };
        out.bulk(b"x");
        out.fault("ERR x");
        assert!(out.unsent().is_empty());
    }
}
