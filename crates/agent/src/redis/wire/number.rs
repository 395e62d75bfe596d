//! Integers as the Redis protocol writes them: decimal, no plus sign, no leading zeros, no spaces.

/// Reads an integer strictly; `None` if the bytes are anything else or do not fit.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    match digits.split_first()? {
        (b'0', []) if !negative => return Some(0),
        (b'1'..=b'9', _) if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Counted downwards, as the smallest integer has no positive twin.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Reads an unsigned 64-bit integer as `SCAN` cursors are: digits only.
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Appends an integer.
pub(crate) fn push(value: i64, to: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut rest = value.unsigned_abs();
    let mut at = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        to.push(b'-');
    }
    to.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strict() {
        for bad in ["", "-", "+1", "01", "-0", " 1", "1 ", "1a", "9223372036854775808", "1.0"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse(b"-9223372036854775809"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    proptest! {
        #[test]
        fn there_and_back(value in prop_oneof![any::<i64>(), -20_i64..20]) {
            let mut text = Vec::new();
            push(value, &mut text);
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), value.to_string());
            prop_assert_eq!(parse(&text), Some(value));
        }
    }

    #[test]
    fn extremes() {
        for value in [i64::MIN, i64::MAX, 0] {
            let mut text = Vec::new();
            push(value, &mut text);
            assert_eq!(parse(&text), Some(value));
        }
    }
}
