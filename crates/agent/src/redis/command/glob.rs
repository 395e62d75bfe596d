//! Glob patterns as Redis has them: `*`, `?`, `[abc]`, `[^a-z]` and `\` to take the next byte as
//! it is.
//!
//! A pattern is read once, into what each of its tokens takes, and matched by Shift-And
//! (Baeza-Yates and Gonnet 1992): all states of the automaton in the bits of words, a star being a
//! state that may be kept. Nothing is tried twice, so that a match costs at most a key's bytes times
//! the words, whatever stands in a class or how many stars there are.

/// Longest pattern that is taken, bytes: every byte of the longest key could be escaped in it.
pub(crate) const MAX_PATTERN: usize = 8 * 1024;

/// Which bytes a token takes, as bits.
type Bytes = [u64; 4];

/// A pattern that has been read. A token is what takes one byte; state `n` is that the first `n` of
/// them are behind.
pub(crate) struct Glob {
    /// Words that hold a bit for each state.
    words: usize,
    /// For each byte the states whose token takes it.
    takes: Vec<u64>,
    /// The states at which a star stands.
    stays: Vec<u64>,
    /// All tokens are behind: the last state.
    last: usize,
}

impl Glob {
    /// Reads a pattern of at most [`MAX_PATTERN`] bytes.
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let (mut tokens, mut stars) = (Vec::new(), Vec::new());
        let mut rest = pattern;
        while let Some((head, after)) = rest.split_first() {
            let bytes;
            (bytes, rest) = match head {
                b'*' => {
                    stars.push(tokens.len());
                    rest = after;
                    continue;
                }
                b'?' => ([u64::MAX; 4], after),
                b'[' => class(after),
                b'\\' => match after.split_first() {
                    Some((escaped, after)) => (only(*escaped), after),
                    None => (only(b'\\'), after),
                },
                literal => (only(*literal), after),
            };
            tokens.push(bytes);
        }
        let last = tokens.len();
        let words = last / 64 + 1;
        let (mut takes, mut stays) = (vec![0; 256 * words], vec![0; words]);
        stars.into_iter().for_each(|star| set(&mut stays, star));
        for (byte, takes) in takes.chunks_exact_mut(words).enumerate() {
            let taking = (0..).zip(&tokens).filter(|(_, bytes)| has(*bytes, byte));
            taking.for_each(|(state, _)| set(takes, state));
        }
        Self { words, takes, stays, last }
    }

    /// True if the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let mut states = vec![0_u64; self.words];
        set(&mut states, 0);
        let open_end = has(&self.stays, self.last);
        for byte in text {
            if open_end && has(&states, self.last) {
                return true;
            }
            let takes = self.takes.chunks_exact(self.words).nth(usize::from(*byte));
            let (mut carried, mut any) = (0, 0);
            let masks = takes.unwrap_or_default().iter().zip(&self.stays);
            for (state, (takes, stays)) in states.iter_mut().zip(masks) {
                let taken = *state & takes;
                *state = (taken << 1) | carried | (*state & stays);
                carried = taken >> 63;
                any |= *state;
            }
            if any == 0 {
                return false;
            }
        }
        has(&states, self.last)
    }

    /// Steps that a match of a text this long may take.
    pub(crate) fn cost(&self, text: usize) -> usize {
        (text + 1) * self.words
    }
}

fn set(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn has(bits: &[u64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

fn only(byte: u8) -> Bytes {
    let mut bytes = Bytes::default();
    set(&mut bytes, byte.into());
    bytes
}

/// What a class takes whose bracket is behind, and what comes after it. One that is not closed ends
/// with the pattern.
fn class(pattern: &[u8]) -> (Bytes, &[u8]) {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut bytes = Bytes::default();
    loop {
        let (from, to, after) = match rest {
            [] => break,
            [b'\\', escaped, after @ ..] => (escaped, escaped, after),
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [from, b'-', to, after @ ..] => (from, to, after),
            [literal, after @ ..] => (literal, literal, after),
        };
        (*from.min(to)..=*from.max(to)).for_each(|byte| set(&mut bytes, byte.into()));
        rest = after;
    }
    if negated {
        bytes = bytes.map(|word| !word);
    }
    (bytes, rest)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        Glob::new(pattern).matches(text)
    }

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

    /// Matches one byte against the head of a pattern that is no star; the rest of the pattern.
    fn step(pattern: &[u8], byte: u8) -> Option<&[u8]> {
        let (head, after) = pattern.split_first()?;
        match head {
            b'?' => Some(after),
            b'[' => naive_class(after, byte),
            b'\\' => match after.split_first() {
                Some((escaped, after)) => (*escaped == byte).then_some(after),
                None => (byte == b'\\').then_some(after),
            },
            literal => (*literal == byte).then_some(after),
        }
    }

    fn naive_class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
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
    fn long_patterns_agree_with_the_naive_way_across_words() {
        for n in [62, 63, 64, 65, 127, 128, 129] {
            let (any, text) = ("[a-c]".repeat(n), "abc".repeat(n));
            let text = &text.as_bytes()[..n];
            assert!(matches(any.as_bytes(), text));
            assert!(!matches(any.as_bytes(), &text[1..]));
            assert!(matches(format!("*{any}*").as_bytes(), &[text, text].concat()));
            assert!(!matches(format!("{any}c").as_bytes(), &[text, b"d"].concat()));
        }
    }

    #[test]
    fn neither_stars_nor_classes_explode() {
        // A step is a word of states: a class costs no more than a letter, and nothing is tried
        // twice.
        let text = "a".repeat(4096);
        let class = format!("*[{}]b", "bc".repeat(4094));
        assert_eq!(class.len(), MAX_PATTERN);
        assert_eq!(Glob::new(class.as_bytes()).cost(text.len()), 4097);
        for pattern in ["a*".repeat(2000) + "b", "*".to_owned() + &"a".repeat(4000) + "b", class] {
            let glob = Glob::new(pattern.as_bytes());
            assert!(!glob.matches(text.as_bytes()));
            assert!(glob.cost(text.len()) <= 4097 * (4000 / 64 + 1));
        }
    }
}
