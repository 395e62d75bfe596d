//! Commands on keys, one or a few at a time.

use super::refused;
use super::string::deadline;
use super::table::{Command, Id};
use crate::clock::wall_ms;
use crate::redis::batch::Answer;
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::number;
use crate::redis::wire::resp::Request;
use rumormill_core::data::{Entry, Expiry, Op};
use std::borrow::Cow;

/// Bytes around an entry that `MEMORY USAGE` adds: its head, its places in trie and index (guess).
const ENTRY_OVERHEAD: usize = 160;

/// `DEL key...` and `UNLINK key...`
pub(crate) fn del(session: &mut Session, request: &Request<'_>) {
    session.write(request.from(1).map(|key| Op::Delete { key: key.into() }), Answer::Existed);
}

/// `EXISTS key...` and `TOUCH key...`: a key named twice counts twice.
pub(crate) fn exists(session: &mut Session, request: &Request<'_>) {
    let found = request.from(1).filter(|key| session.read(key).is_some()).count();
    session.out.count(found);
}

/// `TYPE key`
pub(crate) fn kind(session: &mut Session, request: &Request<'_>) {
    match session.read(request.arg(1)) {
        Some(entry) => session.out.simple(&type_of(&entry)),
        None => session.out.simple("none"),
    }
}

/// The type of what there is: `kind-7` where this version does not know it.
pub(super) fn type_of(entry: &Entry) -> Cow<'static, str> {
    match entry.is_opaque() {
        true => format!("kind-{}", entry.kind()).into(),
        false => "string".into(),
    }
}

/// `TTL key` and `PTTL key`: -2 without the key, -1 without an expiry.
pub(crate) fn time_left(session: &mut Session, request: &Request<'_>, unit: i64) {
    let now = wall_ms();
    let at = session.read(request.arg(1)).map(|entry| entry.expires_at());
    session.out.int(rounded(at, unit, |at| at.saturating_sub(now)));
}

/// `EXPIRETIME key` and `PEXPIRETIME key`
pub(crate) fn expire_time(session: &mut Session, request: &Request<'_>, unit: i64) {
    let at = session.read(request.arg(1)).map(|entry| entry.expires_at());
    session.out.int(rounded(at, unit, |at| at));
}

fn rounded(at: Option<Option<u64>>, unit: i64, from: impl Fn(u64) -> u64) -> i64 {
    match at {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => {
            let ms = i64::try_from(from(at)).unwrap_or(i64::MAX);
            if unit == 1 { ms } else { ms.saturating_add(unit / 2) / unit }
        }
    }
}

/// `EXPIRE`, `PEXPIRE`, `EXPIREAT` and `PEXPIREAT key time`: a time that is past deletes the key.
pub(crate) fn expire(
    session: &mut Session,
    command: &Command,
    request: &Request<'_>,
) -> Result<(), Fault> {
    if request.len() > 3 {
        let option = request.arg(3);
        let option = String::from_utf8_lossy(option.get(..128).unwrap_or(option));
        let upper = option.to_ascii_uppercase();
        if matches!(upper.as_str(), "NX" | "XX" | "GT" | "LT") {
            let command = command.name.to_ascii_uppercase();
            return Err(refused::conditional(&command, &upper).into());
        }
        return Err(Fault::from(format!("ERR Unsupported option {option}")));
    }
    let unit = if matches!(command.id, Id::Pexpire | Id::Pexpireat) { 1 } else { 1000 };
    let absolute = matches!(command.id, Id::Expireat | Id::Pexpireat);
    let given = number::parse(request.arg(2)).ok_or(Fault::NOT_INTEGER)?;
    let at = deadline(given, unit, absolute, command.name)?;
    let key = request.arg(1).into();
    let op = match at {
        Some(at) => Op::Expire { key, expiry: Expiry::At(at) },
        None => Op::Delete { key },
    };
    session.write([op], Answer::Existed);
    Ok(())
}

/// `PERSIST key`; a key without an expiry is left alone, so that nothing has to spread.
pub(crate) fn persist(session: &mut Session, request: &Request<'_>) {
    let entry = session.read(request.arg(1));
    if entry.is_some_and(|entry| entry.expires_at().is_some()) {
        let op = Op::Expire { key: request.arg(1).into(), expiry: Expiry::Never };
        session.write([op], Answer::HadExpiry);
    } else {
        session.out.int(0);
    }
}

/// `OBJECT ENCODING key`
pub(crate) fn encoding(session: &mut Session, request: &Request<'_>) {
    let entry = session.read(request.arg(2));
    let name = entry.as_deref().and_then(Entry::value).map(|value| match value.len() {
        _ if number::parse(value).is_some() => "int",
        0..=44 => "embstr",
        _ => "raw",
    });
    session.out.bulk_or_null(name.map(str::as_bytes));
}

/// `OBJECT REFCOUNT key`
pub(crate) fn refcount(session: &mut Session, request: &Request<'_>) {
    match session.read(request.arg(2)) {
        Some(_) => session.out.int(1),
        None => session.out.null(),
    }
}

/// `MEMORY USAGE key [SAMPLES n]`
pub(crate) fn memory_usage(session: &mut Session, request: &Request<'_>) {
    match session.read(request.arg(2)) {
        Some(entry) => session.out.count(entry.size() + ENTRY_OVERHEAD),
        None => session.out.null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_to_the_nearest_second() {
        assert_eq!(rounded(None, 1000, |at| at), -2);
        assert_eq!(rounded(Some(None), 1000, |at| at), -1);
        assert_eq!(rounded(Some(Some(1499)), 1000, |at| at), 1);
        assert_eq!(rounded(Some(Some(1500)), 1000, |at| at), 2);
        assert_eq!(rounded(Some(Some(1499)), 1, |at| at), 1499);
        assert_eq!(rounded(Some(Some(u64::MAX)), 1000, |at| at), i64::MAX / 1000);
    }
}
