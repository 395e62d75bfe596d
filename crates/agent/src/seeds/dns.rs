//! Just enough of the DNS protocol (RFC 1035, RFC 2782) to ask for the SRV records of a name: the
//! system's resolver looks up hosts only.

use std::io;

const SRV: u16 = 33;
const INTERNET: u16 = 1;
const HEADER: usize = 12;
/// Longest name, with its dots.
const MAX_NAME: usize = 253;
/// Records that are looked at in one answer.
const MAX_RECORDS: u16 = 512;
/// Targets taken from one answer.
const MAX_TARGETS: usize = 64;

/// Where a service is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub host: String,
    pub port: u16,
}

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The targets, the most preferred first.
    Targets(Vec<Target>),
    /// The answer did not fit a datagram: ask over a stream.
    Truncated,
    /// There is no such name.
    NoName,
    /// The server cannot say (its response code).
    Failed(u8),
}

/// Checks that a name can be asked for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > MAX_NAME {
        return Err("a name has 1 to 253 characters");
    }
    if !name.split('.').all(|label| (1..=63).contains(&label.len())) {
        return Err("each part between dots has 1 to 63 characters");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(plain) {
        return Err("a name is made of letters, digits, - and _");
    }
    Ok(())
}

/// The question for the SRV records of a name.
pub(super) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut query = Vec::with_capacity(HEADER + name.len() + 6);
    query.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question.
    query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        query.push(u8::try_from(label.len()).unwrap_or(0));
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&SRV.to_be_bytes());
    query.extend_from_slice(&INTERNET.to_be_bytes());
    query
}

/// Reads the answer to a question.
///
/// # Errors
/// If the bytes are no answer to it.
pub(super) fn answer(question: &[u8], bytes: &[u8]) -> io::Result<Answer> {
    read(question, bytes).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the name server's answer cannot be read")
    })
}

fn read(question: &[u8], bytes: &[u8]) -> Option<Answer> {
    let asked = question.get(HEADER..)?;
    let (flags, code) = (*bytes.get(2)?, *bytes.get(3)? & 15);
    let echoed = bytes.get(HEADER..HEADER + asked.len())?;
    let same = bytes.get(..2)? == question.get(..2)? && number(bytes, 4)? == 1;
    // The question comes back as it was asked, but for the case of its letters.
    if flags & 0x80 == 0 || !same || !echoed.eq_ignore_ascii_case(asked) {
        return None;
    }
    if flags & 2 != 0 {
        return Some(Answer::Truncated);
    }
    match code {
        0 => {}
        3 => return Some(Answer::NoName),
        code => return Some(Answer::Failed(code)),
    }
    let mut at = HEADER + asked.len();
    let mut found = Vec::new();
    for _ in 0..number(bytes, 6)?.min(MAX_RECORDS) {
        at = name(bytes, at)?.1;
        let (kind, class) = (number(bytes, at)?, number(bytes, at + 2)?);
        let data = at + 10;
        let end = data + usize::from(number(bytes, at + 8)?);
        bytes.get(data..end)?;
        if kind == SRV && class == INTERNET && found.len() < MAX_TARGETS {
            let (host, behind) = name(bytes, data + 6)?;
            if behind != end {
                return None;
            }
            // A target of "." says that there is no such service.
            if !host.is_empty() {
                let order = (number(bytes, data)?, u16::MAX - number(bytes, data + 2)?);
                found.push((order, Target { host, port: number(bytes, data + 4)? }));
            }
        }
        at = end;
    }
    found.sort_by_key(|(order, _)| *order);
    Some(Answer::Targets(found.into_iter().map(|(_, target)| target).collect()))
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// The name that begins at a place, and the place behind it.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut behind = None;
    loop {
        match *bytes.get(at)? {
            0 => return Some((name, behind.unwrap_or(at + 1))),
            len @ 1..=63 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(len))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                if name.len() > MAX_NAME {
                    return None;
                }
                at += 1 + usize::from(len);
            }
            // The rest of the name stands elsewhere, further in front: so this ends.
            0xc0.. => {
                let to = usize::from(number(bytes, at)? & 0x3fff);
                behind = behind.or(Some(at + 2));
                if to >= at {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "_gossip._udp.example";

    /// An answer with these records: priority, weight, port and target as bytes of a name.
    fn answered(records: &[(u16, u16, u16, &[u8])]) -> Vec<u8> {
        let mut bytes = question(7, NAME);
        bytes[2] |= 0x80;
        bytes[7] = records.len() as u8;
        for (priority, weight, port, target) in records {
            // Its name is the one that was asked for, at place 12.
            bytes.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9]);
            bytes.extend_from_slice(&(6 + target.len() as u16).to_be_bytes());
            for number in [priority, weight, port] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            bytes.extend_from_slice(target);
        }
        bytes
    }

    #[test]
    fn golden_question() {
        let golden =
            b"\x00\x07\x01\x00\x00\x01\0\0\0\0\0\0\x07_gossip\x04_udp\x07example\0\0\x21\0\x01";
        assert_eq!(question(7, NAME), golden);
        assert_eq!(question(7, "_gossip._udp.example."), golden);
    }

    #[test]
    fn targets_come_in_the_order_of_preference() {
        // "b" and the last part of the question, which stands at 25.
        let bytes = answered(&[
            (2, 0, 1, b"\x01c\0"),
            (1, 5, 2, b"\x01a\0"),
            (1, 9, 3, b"\x01b\xc0\x19"),
            (0, 0, 4, b"\0"),
        ]);
        let target = |host: &str, port| Target { host: host.into(), port };
        let targets = vec![target("b.example", 3), target("a", 2), target("c", 1)];
        assert_eq!(read(&question(7, NAME), &bytes), Some(Answer::Targets(targets)));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let asked = question(7, NAME);
        let good = answered(&[(1, 1, 1, b"\x01a\0")]);
        assert!(read(&asked, &good).is_some());
        for len in 0..good.len() {
            assert_eq!(read(&asked, &good[..len]), None, "{len}");
        }
        assert_eq!(read(&asked, &asked), None, "a question");
        assert_eq!(read(&question(8, NAME), &good), None, "another number");
        assert_eq!(read(&question(7, "_other._udp.example"), &good), None, "another name");
        let round = answered(&[(1, 1, 1, b"\x01a\xc0\x40")]);
        assert_eq!(read(&asked, &round), None, "a name that never ends");
        let with = |flags: [u8; 2]| {
            let mut bytes = asked.clone();
            (bytes[2], bytes[3]) = (flags[0], flags[1]);
            read(&asked, &bytes)
        };
        assert_eq!(with([0x82, 0]), Some(Answer::Truncated));
        assert_eq!(with([0x80, 3]), Some(Answer::NoName));
        assert_eq!(with([0x80, 2]), Some(Answer::Failed(2)));
    }

    #[test]
    fn names_have_bounds() {
        assert!(check_name(NAME).is_ok() && check_name("a.").is_ok());
        for bad in ["", ".", "a..b", "a b", "ä", &"a".repeat(64), &"a.".repeat(130)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, changed: prop::sample::Index, to: u8) {
            let asked = question(7, NAME);
            let mut behind = answered(&[]);
            behind[7] = 3;
            behind.extend_from_slice(&bytes);
            let mut near = answered(&[(1, 1, 1, b"\x01a\xc0\x19"), (1, 1, 1, b"\x01b\0")]);
            let at = changed.index(near.len());
            near[at] = to;
            for answer in [bytes, behind, near] {
                match read(&asked, &answer) {
                    Some(Answer::Targets(found)) => {
                        prop_assert!(answer[..2] == asked[..2] && answer[2] & 0x80 != 0);
                        let records = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
                        prop_assert!(found.len() <= records.min(MAX_TARGETS));
                        let sound = |target: &Target| (1..=MAX_NAME).contains(&target.host.len());
                        prop_assert!(found.iter().all(sound), "{:?}", found);
                    }
                    Some(_) => prop_assert_eq!(&answer[..2], &asked[..2]),
                    None => {}
                }
            }
        }
    }
}
