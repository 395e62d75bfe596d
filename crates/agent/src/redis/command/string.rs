//! Commands on values.

use super::refused;
use crate::clock::wall_ms;
use crate::redis::batch::Answer;
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::number;
use crate::redis::wire::resp::Request;
use rumormill_core::data::{Entry, Expiry, Op, Refused};
use std::io;

/// `GET key`
pub(crate) fn get(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let entry = session.read_value(request.arg(1))?;
    session.out.bulk_or_null(entry.as_deref().and_then(Entry::value));
    Ok(())
}

/// `MGET key...`; sends while it goes, as the reply can be far larger than the request.
pub(crate) async fn mget(
    session: &mut Session,
    request: &Request<'_>,
) -> io::Result<Result<(), Fault>> {
    session.out.array(request.len() - 1);
    for key in request.from(1) {
        let entry = session.read(key);
        session.out.bulk_or_null(entry.as_deref().and_then(Entry::value));
        if session.crowded() {
            session.make_room().await?;
        }
        tokio::task::coop::consume_budget().await;
    }
    Ok(Ok(()))
}

/// What the options of `SET` and `GETEX` ask for.
#[derive(Default)]
struct Asked {
    expiry: Option<Moment>,
    keep: bool,
    persist: bool,
    get: bool,
    owned: bool,
    conditional: Option<&'static str>,
}

struct Moment {
    index: usize,
    unit: i64,
    absolute: bool,
}

impl Asked {
    /// Reads the options from `from` on. Of those for the time one may stand, be it more than once: the
    /// last counts.
    fn parse(request: &Request<'_>, from: usize, getex: bool) -> Result<Self, Fault> {
        let mut asked = Self::default();
        let mut index = from;
        while index < request.len() {
            let option = request.arg(index).to_ascii_lowercase();
            let timed = asked.expiry.is_some();
            match option.as_slice() {
                b"ex" | b"px" | b"exat" | b"pxat" if index + 1 < request.len() => {
                    let unit = if option.starts_with(b"p") { 1 } else { 1000 };
                    let absolute = option.ends_with(b"at");
                    let same = |held: &Moment| (held.unit, held.absolute) == (unit, absolute);
                    if asked.keep || asked.persist || !asked.expiry.as_ref().is_none_or(same) {
                        return Err(Fault::SYNTAX);
                    }
                    index += 1;
                    asked.expiry = Some(Moment { index, unit, absolute });
                }
                b"persist" if getex && !timed => asked.persist = true,
                b"keepttl" if !getex && !timed => asked.keep = true,
                b"get" if !getex => asked.get = true,
                b"owned" if !getex => asked.owned = true,
                b"nx" if !getex && asked.conditional != Some("XX") => {
                    asked.conditional = Some("NX");
                }
                b"xx" if !getex && asked.conditional != Some("NX") => {
                    asked.conditional = Some("XX");
                }
                _ => return Err(Fault::SYNTAX),
            }
            index += 1;
        }
        Ok(asked)
    }

    /// When the value is to hide itself: `Some(None)` if that is past already.
    fn deadline(&self, request: &Request<'_>, command: &str) -> Result<Option<Option<u64>>, Fault> {
        let Some(Moment { index, unit, absolute }) = self.expiry else { return Ok(None) };
        positive_deadline(request.arg(index), unit, absolute, command).map(Some)
    }
}

/// Reads a time that must be more than zero: a wall time in milliseconds, `None` if it is past.
fn positive_deadline(
    text: &[u8],
    unit: i64,
    absolute: bool,
    command: &str,
) -> Result<Option<u64>, Fault> {
    let given = number::parse(text).ok_or(Fault::NOT_INTEGER)?;
    if given <= 0 {
        return Err(invalid_expire(command));
    }
    deadline(given, unit, absolute, command)
}

/// The wall time in milliseconds that lies `given` units from now, or from 1970 if `absolute`;
/// `None` if it is past.
pub(crate) fn deadline(
    given: i64,
    unit: i64,
    absolute: bool,
    command: &str,
) -> Result<Option<u64>, Fault> {
    let now = wall_ms();
    let base = if absolute { 0 } else { i64::try_from(now).unwrap_or(i64::MAX) };
    let at = given.checked_mul(unit).and_then(|at| at.checked_add(base));
    let at = at.ok_or_else(|| invalid_expire(command))?;
    Ok(u64::try_from(at).ok().filter(|at| *at > now))
}

fn invalid_expire(command: &str) -> Fault {
    Fault::from(format!("ERR invalid expire time in '{command}' command"))
}

/// `SET key value [GET] [OWNED] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(crate) fn set(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let (key, value) = (request.arg(1), request.arg(2));
    if request.len() == 3 {
        session.write([put(key, value, Expiry::Never)], Answer::Ok);
        return Ok(());
    }
    let asked = Asked::parse(request, 3, false)?;
    if let Some(option) = asked.conditional {
        return Err(refused::conditional("SET", option).into());
    }
    let expiry = match asked.deadline(request, "set")? {
        None if asked.keep => Some(Expiry::Keep),
        None => Some(Expiry::Never),
        Some(at) => at.map(Expiry::At),
    };
    let op = match expiry {
        Some(expiry) => Op::put(key.into(), value.into(), expiry, asked.owned),
        // A value that is hidden from the start is a deletion.
        None => Op::Delete { key: key.into() },
    };
    match asked.get {
        true => session.write([Op::Showing(op.into())], Answer::Previous),
        false => session.write([op], Answer::Ok),
    }
    Ok(())
}

/// `SETEX key seconds value` and `PSETEX key milliseconds value`
pub(crate) fn setex(session: &mut Session, request: &Request<'_>, unit: i64) -> Result<(), Fault> {
    let command = if unit == 1 { "psetex" } else { "setex" };
    let at = positive_deadline(request.arg(2), unit, false, command)?;
    session.write([put_until(request.arg(1), request.arg(3), at)], Answer::Ok);
    Ok(())
}

/// `GETSET key value`
pub(crate) fn getset(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let op = put(request.arg(1), request.arg(2), Expiry::Never);
    session.write([Op::Showing(op.into())], Answer::Previous);
    Ok(())
}

/// `GETDEL key`
pub(crate) fn getdel(session: &mut Session, request: &Request<'_>) {
    let op = Op::Delete { key: request.arg(1).into() };
    session.write([Op::Showing(op.into())], Answer::Previous);
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(crate) fn getex(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let asked = Asked::parse(request, 2, true)?;
    let entry = session.read_value(request.arg(1))?;
    // As in Redis: where there is no value, no time is looked at.
    let deadline = match &entry {
        Some(_) => asked.deadline(request, "getex")?,
        None => None,
    };
    let key = request.arg(1).into();
    let op = match (deadline, entry.as_deref()) {
        (Some(None), Some(_)) => Op::Delete { key },
        (Some(Some(at)), Some(_)) => Op::Expire { key, expiry: Expiry::At(at) },
        (None, Some(entry)) if asked.persist && entry.expires_at().is_some() => {
            Op::Expire { key, expiry: Expiry::Never }
        }
        (_, entry) => {
            session.out.bulk_or_null(entry.and_then(Entry::value));
            return Ok(());
        }
    };
    session.write([Op::Showing(op.into())], Answer::Previous);
    Ok(())
}

/// `MSET key value [key value]...`: all or, if one is too long, nothing.
pub(crate) fn mset(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    if request.len().is_multiple_of(2) {
        return Err(Fault::arity("mset"));
    }
    let limits = session.server.node.limits();
    for index in (1..request.len()).step_by(2) {
        let (key, value) = (request.arg(index).len(), request.arg(index + 1).len());
        if key > limits.max_key {
            let refused = Refused::KeyTooLong { got: key, limit: limits.max_key };
            return Err(Fault::from(format!("ERR {refused}; nothing was written")));
        }
        if value > limits.max_value {
            let refused = Refused::ValueTooLong { got: value, limit: limits.max_value };
            return Err(Fault::from(format!("ERR {refused}; nothing was written")));
        }
    }
    let pairs = (1..request.len()).step_by(2);
    let ops = pairs.map(|at| put(request.arg(at), request.arg(at + 1), Expiry::Never));
    session.write(ops, Answer::Ok);
    Ok(())
}

/// `APPEND key value`
pub(crate) fn append(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let (key, tail) = (request.arg(1).into(), request.arg(2).into());
    session.write([Op::Append { key, tail }], Answer::Length);
    Ok(())
}

/// `STRLEN key`
pub(crate) fn strlen(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let entry = session.read_value(request.arg(1))?;
    session.out.count(entry.as_deref().and_then(Entry::value).map_or(0, <[u8]>::len));
    Ok(())
}

/// `GETRANGE key start end`: both ends included, negative ones count from the end.
pub(crate) fn getrange(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let start = number::parse(request.arg(2)).ok_or(Fault::NOT_INTEGER)?;
    let end = number::parse(request.arg(3)).ok_or(Fault::NOT_INTEGER)?;
    let entry = session.read_value(request.arg(1))?;
    let value = entry.as_deref().and_then(Entry::value).unwrap_or_default();
    session.out.bulk(range(value, start, end));
    Ok(())
}

fn range(value: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { len.saturating_add(at).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(len - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => value.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

fn put(key: &[u8], value: &[u8], expiry: Expiry) -> Op {
    Op::Put { key: key.into(), value: value.into(), expiry }
}

/// A value that is hidden from the start is a deletion.
fn put_until(key: &[u8], value: &[u8], at: Option<u64>) -> Op {
    match at {
        Some(at) => put(key, value, Expiry::At(at)),
        None => Op::Delete { key: key.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_in_redis() {
        let value = b"This is a string";
        for (start, end, expected) in [
            (0, 3, &b"This"[..]),
            (-3, -1, b"ing"),
            (0, -1, value),
            (10, 100, b"string"),
            (5, 3, b""),
            (100, 200, b""),
            (-1, -3, b""),
            (-100, 0, b"T"),
            (i64::MIN, i64::MAX, value),
            (i64::MAX, i64::MAX, b""),
            (0, i64::MIN, b"T"),
        ] {
            assert_eq!(range(value, start, end), expected, "{start} {end}");
        }
        assert_eq!(range(b"", 0, -1), b"");
    }

    #[test]
    fn deadlines() {
        assert!(positive_deadline(b"0", 1, false, "set").is_err());
        assert!(positive_deadline(b"9223372036854775807", 1, false, "set").is_err());
        assert!(positive_deadline(b"9223372036854775", 1000, true, "set").is_ok());
        assert!(positive_deadline(b"9223372036854776", 1000, true, "set").is_err());
        assert_eq!(deadline(-5, 1000, false, "expire"), Ok(None));
        assert_eq!(deadline(1, 1000, true, "expire"), Ok(None));
        assert!(deadline(i64::MIN, 1000, false, "expire").is_err());
    }
}
