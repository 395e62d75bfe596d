//! How long a certificate is valid: the one thing about its inside that the TLS library keeps to
//! itself (RFC 5280, section 4.1).

use std::time::{Duration, SystemTime};

/// From when to when a certificate is valid, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The last one.
    pub not_after: u64,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// What a certificate in DER says; `None` if it is none.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = inside(der, SEQUENCE)?;
        let (mut rest, _) = inside(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest)?.2;
        }
        // The serial number, the algorithm of the signature, the issuer.
        for _ in 0..3 {
            rest = element(rest)?.2;
        }
        let (times, _) = inside(rest, SEQUENCE)?;
        let (tag, not_before, times) = element(times)?;
        let not_before = seconds(tag, not_before)?;
        let (tag, not_after, _) = element(times)?;
        Some(Self { not_before, not_after: seconds(tag, not_after)? })
    }

    pub(super) fn not_before_text(self) -> String {
        text(self.not_before)
    }

    pub(super) fn not_after_text(self) -> String {
        text(self.not_after)
    }
}

fn text(seconds: u64) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    at.map_or_else(
        || "a distant day".into(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

/// Tag, content and what follows it, of the element at the front.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` as seconds since 1970.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"Z")?;
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |sum, d| sum * 10 + u64::from(d - b'0'));
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let [month, day, hour, minute, second] = rest.chunks(2).map(number).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let right = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    if rest.len() != 10 || !right || second > 60 {
        return None;
    }
    // Before 1970 is long enough ago to be called the beginning.
    let days = days_since_1970(year, month, day).unwrap_or(0);
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from the first of January 1970, in the Gregorian calendar; `None` for earlier ones.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years that begin in March, so that the leap day is their last.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

/// Reads any bytes, for fuzzing.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Some(validity) = Validity::of(data) {
        let _ = (validity.not_before_text(), validity.not_after_text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_in_both_forms() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (UTC_TIME, "000101000000Z", Some(946_684_800)),
            (UTC_TIME, "240229120000Z", Some(1_709_208_000)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "20500101000000Z", None),
            (GENERALIZED_TIME, "500101000000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "7001010000-1Z", None),
            (0x16, "700101000000Z", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_real_certificate() {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 2, 3);
        params.not_after = rcgen::date_time_ymd(2061, 7, 8);
        let cert = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let validity = Validity::of(cert.der()).unwrap();
        assert_eq!(validity.not_before_text(), "2001-02-03T00:00:00Z");
        assert_eq!(validity.not_after_text(), "2061-07-08T00:00:00Z");
        for len in 0..cert.der().len() {
            assert_eq!(Validity::of(&cert.der()[..len]), None, "cut after {len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            fuzz(&bytes);
        }
    }
}
