//! Server-sent events, read from a stream (WHATWG HTML, section 9.2).

use std::io::{self, BufRead};

/// Longest line, bytes: a value of 8 MiB as escaped JSON, and more.
const MAX_LINE: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its kind; `message` if the stream names none.
    pub kind: String,
    /// Its data.
    pub data: String,
}

/// Reads events from a stream.
pub struct Events<R> {
    from: R,
}

impl<R: BufRead> Events<R> {
    pub fn new(from: R) -> Self {
        Self { from }
    }

    /// The next event; `None` at the end of the stream.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut any = false;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if !any {
                    continue;
                }
                if event.kind.is_empty() {
                    event.kind.push_str("message");
                }
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.kind = value.into(),
                "data" => {
                    if any {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                    any = true;
                }
                // Comments keep the connection alive; ids and retry times mean nothing to us.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut bounded = io::Read::take(&mut self.from, MAX_LINE as u64);
        if bounded.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            // Either the stream ended within a line, which is then no line, or it is too long.
            return match bytes.len() < MAX_LINE {
                true => Ok(None),
                false => Err(io::Error::other("an event is too long")),
            };
        }
        bytes.pop_if(|last| *last == b'\r');
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| io::Error::other("the stream of events is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_comments_and_a_torn_end() {
        let stream =
            ": hello\n\nevent: put\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: put\nda";
        let mut events = Events::new(stream.as_bytes());
        let event = |kind: &str, data: &str| Some(Event { kind: kind.into(), data: data.into() });
        assert_eq!(events.next().unwrap(), event("put", "{\"a\":1}"));
        assert_eq!(events.next().unwrap(), event("message", "x\ny"));
        assert_eq!(events.next().unwrap(), None);
    }
}
