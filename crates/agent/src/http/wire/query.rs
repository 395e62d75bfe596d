//! Keys in paths, parameters after the `?`: percent-decoded to bytes, strictly.
//!
//! A key is any bytes, so nothing here assumes UTF-8, and a parameter that is not known is an
//! error: a mistyped `ttl` would otherwise keep a value for ever.

use super::problem::Problem;
use crate::jsonl::{MAX_TTL, ttl};
use std::time::Duration;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Query {
    given: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Query {
    /// Reads the part of a request's address after the `?`; only `known` parameters are taken.
    pub(crate) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        Self::parse_with(raw, known, &[])
    }

    /// Like [`Query::parse`]; those in `repeated` may be given more than once.
    pub(crate) fn parse_with(
        raw: Option<&str>,
        known: &[&str],
        repeated: &[&str],
    ) -> Result<Self, Problem> {
        let mut given: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name, true)?, decode(value, true)?);
            let shown = String::from_utf8_lossy(&name);
            if !known.iter().any(|known| known.as_bytes() == name) {
                return Err(Problem::bad(match known {
                    [] => format!("there is no parameter {shown:?} here, and no other"),
                    _ => format!("there is no parameter {shown:?} here; known: {known:?}"),
                }));
            }
            let once = !repeated.iter().any(|repeated| repeated.as_bytes() == name);
            if once && given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::bad(format!("the parameter {shown:?} is given twice")));
            }
            given.push((name, value));
        }
        Ok(Self { given })
    }

    /// The value of a parameter, any bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let found = self.given.iter().find(|(given, _)| given == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let found = self.given.iter().filter(move |(given, _)| given == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// The prefix that keys must have; empty if none is given.
    pub(crate) fn prefix(&self) -> &[u8] {
        self.bytes("prefix").unwrap_or_default()
    }

    /// A parameter that is on or off.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.bytes(name) {
            None | Some(b"0" | b"false") => Ok(false),
            Some(b"" | b"1" | b"true") => Ok(true),
            Some(_) => Err(Problem::bad(format!("{name} must be 1 or 0"))),
        }
    }

    /// A number from 1 to `most`.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(given) = self.bytes(name) else { return Ok(default) };
        let number = std::str::from_utf8(given).ok().and_then(|text| text.parse().ok());
        number
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| Problem::bad(format!("{name} must be a number from 1 to {most}")))
    }

    /// A time between a millisecond and a bound.
    pub(crate) fn duration(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(given) = self.bytes(name) else { return Ok(None) };
        let text = String::from_utf8_lossy(given);
        let read = match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&text).ok(),
        };
        match read.filter(|time| (Duration::from_millis(1)..=most).contains(time)) {
            Some(time) => Ok(Some(time)),
            None if most == Duration::MAX => {
                Err(Problem::bad(format!("{name} must be a time like 500ms, 2s or 1m")))
            }
            None => Err(Problem::bad(format!(
                "{name} must be a time like 500ms, 2s or 1m, at most {}",
                humantime::format_duration(most)
            ))),
        }
    }

    /// How long a value is to live, if that is limited.
    pub(crate) fn ttl(&self) -> Result<Option<Duration>, Problem> {
        let Some(given) = self.bytes("ttl") else { return Ok(None) };
        ttl(&String::from_utf8_lossy(given)).map(Some).map_err(Problem::bad)
    }
}

/// Undoes percent-encoding; `plus` says whether `+` is a space, as in forms.
pub(crate) fn decode(raw: &str, plus: bool) -> Result<Vec<u8>, Problem> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, tail @ ..] = rest {
        (rest, _) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return Err(bad_percent());
                };
                (tail, decoded.push(high << 4 | low))
            }
            (b'%', _) => return Err(bad_percent()),
            (b'+', _) if plus => (tail, decoded.push(b' ')),
            _ => (tail, decoded.push(*byte)),
        };
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn bad_percent() -> Problem {
    Problem::bad(
        "a % in the address is not followed by two hexadecimal digits; a percent sign itself is \
         written %25",
    )
}

/// Reads any bytes as path, query and time to live; whatever comes out must be bounded by what
/// went in.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for plus in [false, true] {
        if let Ok(decoded) = decode(&text, plus) {
            assert!(decoded.len() <= text.len(), "decoding never makes longer");
        }
    }
    if let Ok(query) = Query::parse(Some(&text), &["prefix", "ttl", "limit", "keys"]) {
        assert!(query.given.len() <= 4, "each parameter once");
        let _ = (query.ttl(), query.flag("keys"));
        if let Ok(limit) = query.count("limit", 1, 100) {
            assert!((1..=100).contains(&limit));
        }
    }
    if let Ok(ttl) = ttl(&text) {
        assert!((Duration::from_millis(1)..=MAX_TTL).contains(&ttl));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percent_encoding_is_undone_once() {
        assert_eq!(decode("a%2fb/%00%FF%2525+", false).unwrap(), b"a/b/\0\xff%25+");
        assert_eq!(decode("a+b", true).unwrap(), b"a b");
        for bad in ["%", "%4", "%zz", "ab%+1", "%%41", "%é"] {
            assert!(decode(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_taken_strictly() {
        let parse = |raw| Query::parse(Some(raw), &["prefix", "limit"]);
        let query = parse("prefix=a%26b&limit=5").unwrap();
        assert_eq!((query.prefix(), query.count("limit", 1, 9).unwrap()), (&b"a&b"[..], 5));
        assert!(parse("limt=5").unwrap_err().text().contains("limit"));
        assert!(parse("limit=5&limit=6").is_err());
        let twice = Query::parse_with(Some("limit=5&limit=6"), &["limit"], &["limit"]).unwrap();
        assert_eq!(twice.all("limit").collect::<Vec<_>>(), [b"5", b"6"]);
        for bad in ["limit=0", "limit=10", "limit=x", "limit=-1", "limit="] {
            assert!(parse(bad).unwrap().count("limit", 1, 9).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_to_live_have_units_and_bounds() {
        assert_eq!(ttl("30"), Ok(Duration::from_secs(30)));
        assert_eq!(ttl("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(ttl("1h 30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "0", "0ms", "-1", "1.5", "soon", "1ns", "18446744073709551615", "200y"] {
            assert!(ttl(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            fuzz(&bytes);
        }

        #[test]
        fn anything_like_a_query_is_read_without_panic(text in "[a-z&=%+0-9A-F]{0,40}") {
            fuzz(text.as_bytes());
        }

        #[test]
        fn every_key_has_an_address(key: Vec<u8>) {
            let raw: String = key.iter().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&raw, false).unwrap(), key);
        }
    }
}
