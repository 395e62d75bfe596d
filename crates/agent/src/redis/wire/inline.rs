//! Inline commands: a line of words, as people type them over telnet, with Redis' quotes.

/// The quotes of a line do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbalanced;

/// Splits a line into words. Words are appended to `text`, and where each lies to `spans`.
pub(crate) fn split(
    line: &[u8],
    text: &mut Vec<u8>,
    spans: &mut Vec<(u32, u32)>,
) -> Result<(), Unbalanced> {
    let mut rest = line.iter().copied().peekable();
    loop {
        while rest.next_if(|byte| is_space(*byte)).is_some() {}
        if rest.peek().is_none() {
            return Ok(());
        }
        let start = text.len();
        word(&mut rest, text)?;
        // A line is at most 64 KiB long.
        spans.push((start as u32, text.len() as u32));
    }
}

type Bytes<I> = std::iter::Peekable<I>;

fn word(
    rest: &mut Bytes<impl Iterator<Item = u8> + Clone>,
    text: &mut Vec<u8>,
) -> Result<(), Unbalanced> {
    while let Some(byte) = rest.next_if(|byte| !is_space(*byte)) {
        match byte {
            b'"' | b'\'' => {
                match byte {
                    b'"' => double_quoted(rest, text)?,
                    _ => single_quoted(rest, text)?,
                }
                // A closing quote ends the word.
                return match rest.peek() {
                    Some(byte) if !is_space(*byte) => Err(Unbalanced),
                    _ => Ok(()),
                };
            }
            byte => text.push(byte),
        }
    }
    Ok(())
}

fn double_quoted(
    rest: &mut Bytes<impl Iterator<Item = u8> + Clone>,
    text: &mut Vec<u8>,
) -> Result<(), Unbalanced> {
    loop {
        match rest.next().ok_or(Unbalanced)? {
            b'"' => return Ok(()),
            b'\\' => {
                let escaped = rest.next().ok_or(Unbalanced)?;
                text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    b'x' => hex(rest).unwrap_or(b'x'),
                    other => other,
                });
            }
            byte => text.push(byte),
        }
    }
}

fn single_quoted(
    rest: &mut Bytes<impl Iterator<Item = u8> + Clone>,
    text: &mut Vec<u8>,
) -> Result<(), Unbalanced> {
    loop {
        match rest.next().ok_or(Unbalanced)? {
            b'\'' => return Ok(()),
            b'\\' => text.push(rest.next_if_eq(&b'\'').unwrap_or(b'\\')),
            byte => text.push(byte),
        }
    }
}

/// Two hexadecimal digits; takes nothing if they are not there.
fn hex(rest: &mut Bytes<impl Iterator<Item = u8> + Clone>) -> Option<u8> {
    let mut ahead = rest.clone();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let value = (digit(ahead.next()?)? << 4) | digit(ahead.next()?)?;
    *rest = ahead;
    Some(value)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, Unbalanced> {
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        split(line.as_bytes(), &mut text, &mut spans)?;
        let word = |&(from, to): &(u32, u32)| &text[from as usize..to as usize];
        Ok(spans.iter().map(|span| word(span).escape_ascii().to_string()).collect())
    }

    #[test]
    fn splits_as_redis_does() {
        assert_eq!(words("  set  k v \r").unwrap(), ["set", "k", "v"]);
        assert_eq!(words(r#"set "a b" 'c d'"#).unwrap(), ["set", "a b", "c d"]);
        assert_eq!(words(r#""\x41\n\q\xzz" '\'\n' """#).unwrap(), ["A\\nqxzz", "\\'\\\\n", ""]);
        assert_eq!(words("").unwrap(), [""; 0]);
        assert_eq!(words(r#"a"b c"d"#), Err(Unbalanced));
        assert_eq!(words(r#"a"b c" d"#).unwrap(), ["ab c", "d"]);
        for bad in ["\"", "'", "\"a\"b", "'a'b", "\"\\", "'\\'"] {
            assert_eq!(words(bad), Err(Unbalanced), "{bad}");
        }
    }
}
