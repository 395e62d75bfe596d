//! Requests: arrays of bulk strings (the same in RESP2 and RESP3) and inline commands. No IO.
//!
//! The parser keeps its place between calls, so a request that arrives in many pieces is walked
//! through once. It copies nothing but inline words, and reserves nothing on a claimed length.

use super::{inline, number};
use thiserror::Error;

/// Longest inline request, bytes, and longest line of words.
pub(crate) const MAX_INLINE: usize = 64 * 1024;
/// Longest line with a length in it, bytes; 64-bit numbers have 20.
const MAX_LENGTH_LINE: usize = 32;
/// Places of arguments that are kept allocated between requests.
const KEEP_SPANS: usize = 64;

/// Bounds on one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Arguments, the command's name included.
    pub args: usize,
    /// Bytes of one argument.
    pub bulk: usize,
    /// Bytes of the whole request.
    pub request: usize,
    /// Whether the client has shown the password, or needs none; for the words of errors.
    pub authenticated: bool,
}

impl Limits {
    /// For clients that have not shown the password yet: what `AUTH` and `HELLO` need (as Redis).
    pub(crate) const UNAUTHENTICATED: Self =
        Self { args: 10, bulk: 16 * 1024, request: 256 * 1024, authenticated: false };
}

/// A request that breaks the protocol. The connection cannot go on: nobody knows where the next
/// request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ProtocolError {
    #[error("too big inline request")]
    BigInline,
    #[error("unbalanced quotes in request")]
    Unbalanced,
    #[error("too big mbulk count string")]
    BigCount,
    #[error("invalid multibulk length")]
    Count,
    #[error("invalid multibulk length: a request has at most {0} arguments, its name included")]
    TooMany(usize),
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("too big bulk count string")]
    BigLength,
    #[error("invalid bulk length")]
    Length,
    #[error("unauthenticated bulk length")]
    UnauthenticatedLength,
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    NoDollar(u8),
    #[error("expected CRLF after a bulk string")]
    NoNewline,
    #[error("request of more than {0} bytes")]
    BigRequest(usize),
}

/// One request: the command's name and its arguments, where they lie in the buffer.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    bytes: &'a [u8],
    spans: &'a [(u32, u32)],
}

impl<'a> Request<'a> {
    /// Arguments, the command's name included.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The argument at an index; empty past the end (arity has been checked by then).
    pub(crate) fn arg(&self, index: usize) -> &'a [u8] {
        let span = self.spans.get(index);
        span.and_then(|&(from, to)| self.bytes.get(from as usize..to as usize)).unwrap_or_default()
    }

    /// The arguments from an index on.
    pub(crate) fn from(&self, index: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let request = *self;
        (index..self.len()).map(move |index| request.arg(index))
    }

    /// True if the argument is this word, in whatever case.
    pub(crate) fn is(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// Where the parser is in the request at hand. Offsets are from the request's first byte.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// All before this has been walked through.
    at: usize,
    /// Arguments still to come; `None` before the first line.
    left: Option<usize>,
    /// Length of the argument that begins at `at`, once it is known.
    bulk: Option<usize>,
    spans: Vec<(u32, u32)>,
    /// Unquoted words of an inline request.
    text: Vec<u8>,
    inline: bool,
}

impl Parser {
    /// Goes on with the request whose bytes so far are `bytes` (from its first byte on). Once it is
    /// whole: its length in bytes; [`Parser::request`] has it until [`Parser::reset`].
    pub(crate) fn parse(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        if self.left.is_none() {
            match bytes.first() {
                None => return Ok(None),
                Some(b'*') => match self.count(bytes, limits)? {
                    Some(count) => self.left = Some(count),
                    None => return Ok(None),
                },
                Some(_) => return self.inline(bytes, limits),
            }
        }
        while self.left.is_some_and(|left| left > 0) {
            if !self.argument(bytes, limits)? {
                return Ok(None);
            }
        }
        Ok(Some(self.at))
    }

    /// The request that [`Parser::parse`] has completed, over the same bytes.
    pub(crate) fn request<'a>(&'a self, bytes: &'a [u8]) -> Request<'a> {
        Request { bytes: if self.inline { &self.text } else { bytes }, spans: &self.spans }
    }

    /// Bytes that are known to be missing from the argument at hand.
    pub(crate) fn missing(&self, bytes: &[u8]) -> usize {
        let end = self.bulk.map_or(0, |bulk| self.at + bulk + 2);
        end.saturating_sub(bytes.len())
    }

    /// Makes ready for the next request.
    pub(crate) fn reset(&mut self) {
        (self.at, self.left, self.bulk, self.inline) = (0, None, None, false);
        self.spans.clear();
        self.spans.shrink_to(KEEP_SPANS);
        self.text = Vec::new();
    }

    /// Gives back what is allocated for the next request.
    pub(crate) fn release(&mut self) {
        if self.left.is_none() {
            self.spans = Vec::new();
        }
    }

    /// Bytes allocated, beside those of the requests themselves.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity() + self.spans.capacity() * size_of::<(u32, u32)>()
    }

    fn count(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let Some((line, next)) = length_line(bytes, 1, ProtocolError::BigCount)? else {
            return Ok(None);
        };
        let count = line.and_then(number::parse).ok_or(ProtocolError::Count)?;
        // Redis takes counts below one as requests for nothing.
        let count = usize::try_from(count).unwrap_or(0);
        if count > limits.args {
            return Err(match limits.authenticated {
                true => ProtocolError::TooMany(limits.args),
                false => ProtocolError::UnauthenticatedCount,
            });
        }
        self.at = next;
        Ok(Some(count))
    }

    /// Takes one argument; false if it has not wholly arrived.
    fn argument(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let length = match self.bulk {
            Some(length) => length,
            None => {
                match bytes.get(self.at) {
                    None => return Ok(false),
                    Some(b'$') => {}
                    Some(other) => return Err(ProtocolError::NoDollar(*other)),
                }
                let line = length_line(bytes, self.at + 1, ProtocolError::BigLength)?;
                let Some((line, next)) = line else { return Ok(false) };
                let length = line.and_then(number::parse).ok_or(ProtocolError::Length)?;
                let length = usize::try_from(length).map_err(|_| ProtocolError::Length)?;
                if length > limits.bulk {
                    return Err(match limits.authenticated {
                        true => ProtocolError::Length,
                        false => ProtocolError::UnauthenticatedLength,
                    });
                }
                let most = limits.request.min(u32::MAX as usize);
                if next.saturating_add(length) > most {
                    return Err(ProtocolError::BigRequest(most));
                }
                self.at = next;
                self.bulk = Some(length);
                length
            }
        };
        let end = self.at + length;
        match bytes.get(end..end + 2) {
            None => return Ok(false),
            Some(b"\r\n") => {}
            Some(_) => return Err(ProtocolError::NoNewline),
        }
        // Both fit: the request's length was held against `u32::MAX`.
        self.spans.push((self.at as u32, end as u32));
        self.at = end + 2;
        self.bulk = None;
        self.left = self.left.map(|left| left - 1);
        Ok(true)
    }

    fn inline(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let most = MAX_INLINE.min(limits.bulk);
        let line = bytes.get(..most).unwrap_or(bytes);
        let unseen = line.get(self.at..).unwrap_or_default();
        let Some(end) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.at = line.len();
            return if line.len() == most { Err(ProtocolError::BigInline) } else { Ok(None) };
        };
        let end = self.at + end;
        let line = line.get(..end).unwrap_or_default();
        inline::split(line, &mut self.text, &mut self.spans)
            .map_err(|inline::Unbalanced| ProtocolError::Unbalanced)?;
        if self.spans.len() > limits.args {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        self.inline = true;
        self.at = end + 1;
        self.left = Some(0);
        Ok(Some(self.at))
    }
}

/// A line that ends with CRLF and has begun at `from`, and where the next begins. The line is
/// `None` if its end is no proper one; the result is `None` while the end has not arrived.
type Line<'a> = Option<(Option<&'a [u8]>, usize)>;

fn length_line(
    bytes: &[u8],
    from: usize,
    too_long: ProtocolError,
) -> Result<Line<'_>, ProtocolError> {
    let rest = bytes.get(from..).unwrap_or_default();
    let window = rest.get(..MAX_LENGTH_LINE).unwrap_or(rest);
    match window.iter().position(|byte| *byte == b'\r') {
        None if window.len() == MAX_LENGTH_LINE => Err(too_long),
        None => Ok(None),
        Some(end) => Ok(match rest.get(end + 1) {
            None => None,
            Some(b'\n') => Some((window.get(..end), from + end + 2)),
            Some(_) => Some((None, from + end)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { args: 1 << 20, bulk: 1 << 20, request: 64 << 20, authenticated: true };

    /// A request's length and its arguments.
    type Parsed = (usize, Vec<Vec<u8>>);

    fn parse(bytes: &[u8]) -> Result<Option<Parsed>, ProtocolError> {
        let mut parser = Parser::default();
        let Some(len) = parser.parse(bytes, &LIMITS)? else { return Ok(None) };
        Ok(Some((len, parser.request(bytes).from(0).map(<[u8]>::to_vec).collect())))
    }

    #[test]
    fn whole_requests() {
        let (len, args) = parse(b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\nPING\r\n").unwrap().unwrap();
        assert_eq!((len, args), (21, vec![b"GET".to_vec(), b"\r\n".to_vec()]));
        assert_eq!(parse(b"ping \"a b\"\nx").unwrap().unwrap().0, 11);
        assert_eq!(parse(b"*0\r\n").unwrap().unwrap(), (4, vec![]));
        assert_eq!(parse(b"*-1\r\n").unwrap().unwrap(), (5, vec![]));
        assert_eq!(parse(b"\r\n").unwrap().unwrap(), (2, vec![]));
        assert_eq!(parse(b"*1\r\n$0\r\n\r\n").unwrap().unwrap().1, vec![b"".to_vec()]);
    }

    #[test]
    fn broken_requests() {
        use ProtocolError as E;
        for (bytes, error) in [
            (&b"*x\r\n"[..], E::Count),
            (b"*1048577\r\n", E::TooMany(1 << 20)),
            (b"*01\r\n", E::Count),
            (b"*1\rx", E::Count),
            (b"*11111111111111111111111111111111111", E::BigCount),
            (b"*1\r\n+", E::NoDollar(b'+')),
            (b"*1\r\n$1073741824\r\n", E::Length),
            (b"*1\r\n$-1\r\n", E::Length),
            (b"*1\r\n$1\r\nabc", E::NoNewline),
            (b"'\n", E::Unbalanced),
        ] {
            assert_eq!(parse(bytes).err(), Some(error), "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(b"*1\r\n$1\r\nab"), Ok(None));
        let long = vec![b'a'; MAX_INLINE];
        assert_eq!(parse(&long[1..]), Ok(None));
        assert_eq!(parse(&long), Err(E::BigInline));
    }

    #[test]
    fn strangers_get_less() {
        let mut parser = Parser::default();
        let error = parser.parse(b"*11\r\n", &Limits::UNAUTHENTICATED);
        assert_eq!(error, Err(ProtocolError::UnauthenticatedCount));
        let mut parser = Parser::default();
        let error = parser.parse(b"*1\r\n$16385\r\n", &Limits::UNAUTHENTICATED);
        assert_eq!(error, Err(ProtocolError::UnauthenticatedLength));
    }

    #[test]
    fn a_request_is_bounded_as_a_whole() {
        let limits = Limits { request: 30, ..LIMITS };
        let bytes = b"*2\r\n$10\r\n0123456789\r\n$10\r\n";
        let mut parser = Parser::default();
        assert_eq!(parser.parse(bytes, &limits), Err(ProtocolError::BigRequest(30)));
    }

    #[test]
    fn claimed_lengths_reserve_nothing() {
        let mut parser = Parser::default();
        assert_eq!(parser.parse(b"*1048576\r\n$1048576\r\n", &LIMITS), Ok(None));
        assert_eq!(parser.capacity(), 0);
        assert_eq!(parser.missing(b"*1048576\r\n$1048576\r\nabc"), (1 << 20) + 2 - 3);
    }
}
