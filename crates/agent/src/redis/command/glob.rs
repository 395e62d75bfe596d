//! Glob patterns as Redis has them: `*`, `?`, `[abc]`, `[^a-z]` and `\` to take the next byte as
//! it is. Only the last star is ever tried again, so a match costs at most key times pattern.

/// Longest pattern that is taken, bytes: every byte of the longest key could be escaped in it.
pub(crate) const MAX_PATTERN: usize = 8 * 1024;

/// True if the whole text matches the pattern.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    // The pattern after the last star, and the text from which it was last tried.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = rest.split_first() {
            if after.is_empty() {
                return true;
            }
            retry = Some((after, left));
            rest = after;
            continue;
        }
        let advanced = match left.split_first() {
            None if rest.is_empty() => return true,
            None => return false,
            Some((byte, tail)) => step(rest, *byte).map(|after| (after, tail)),
        };
        match advanced {
            Some(next) => (rest, left) = next,
            None => {
                let Some((after, from)) = &mut retry else { return false };
                let Some((_, shorter)) = from.split_first() else { return false };
                *from = shorter;
                (rest, left) = (after, shorter);
            }
        }
    }
}

/// The bytes with which every match begins, and whether they are the whole pattern.
pub(crate) fn literal_head(pattern: &[u8]) -> (Vec<u8>, bool) {
    let mut head = Vec::new();
    let mut rest = pattern;
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'*' | b'?' | b'[' => return (head, false),
            b'\\' if !after.is_empty() => {
                head.extend(after.first());
                rest = after.get(1..).unwrap_or_default();
            }
            byte => {
                head.push(*byte);
                rest = after;
            }
        }
    }
    (head, true)
}

/// Matches one byte against the head of a pattern that is no star; the rest of the pattern.
fn step(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (head, after) = pattern.split_first()?;
    match head {
        b'?' => Some(after),
        b'[' => class(after, byte),
        b'\\' => match after.split_first() {
            Some((escaped, after)) => (*escaped == byte).then_some(after),
            None => (byte == b'\\').then_some(after),
        },
        literal => (*literal == byte).then_some(after),
    }
}

/// Matches one byte against a class whose bracket has been taken. One that is not closed ends with
/// the pattern.
fn class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        match rest {
            [] => break,
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                rest = after;
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [from, b'-', to, after @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                rest = after;
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                rest = after;
            }
        }
    }
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_as_redis_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("h[\\]]llo", "h]llo", true),
            ("\\*a", "*a", true),
            ("\\*a", "ba", false),
            ("a\\", "a\\", true),
            ("[abc", "b", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c", "xxaxxbxxcxx", false),
            ("user:*:name", "user:1:2:name", true),
            ("*\\\\", "a\\", true),
            ("a*", "b", false),
            ("*?", "", false),
        ] {
            let got = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(got, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn heads() {
        assert_eq!(literal_head(b"user:*"), (b"user:".to_vec(), false));
        assert_eq!(literal_head(b"a\\*b"), (b"a*b".to_vec(), true));
        assert_eq!(literal_head(b"a\\"), (b"a\\".to_vec(), true));
        assert_eq!(literal_head(b"[a]"), (Vec::new(), false));
    }

    /// Tries every way to match a star. Slow, and plainly right.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', after)) => (0..=text.len()).any(|n| naive(after, &text[n..])),
            Some(_) => text.split_first().is_some_and(|(byte, tail)| {
                step(pattern, *byte).is_some_and(|after| naive(after, tail))
            }),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_way(pattern in "[ab*?\\[\\]^\\\\-]{0,10}", text in "[ab\\]*]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            let matched = matches(pattern, text);
            prop_assert_eq!(matched, naive(pattern, text));
            let (head, whole) = literal_head(pattern);
            prop_assert!(!matched || text.starts_with(&head));
            prop_assert!(!whole || matched == (text == head));
        }
    }

    #[test]
    fn stars_do_not_explode() {
        let pattern = "a*".repeat(2000) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(4096).as_bytes()));
    }
}
