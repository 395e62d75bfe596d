//! Bytes as text: percent-encoding for paths, base64 for JSON, escapes for terminals; and times, as
//! the API takes them.

use std::time::Duration;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as one segment of a path or one value of a query (RFC 3986).
pub fn percent(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    // Lone dots as a segment would be taken for "here" and "above".
    match text.as_str() {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        _ => text,
    }
}

/// A time to live, as the API takes it.
pub fn ttl_query(ttl: Duration) -> String {
    format!("{}ms", ttl.as_millis())
}

/// Base64 with padding (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            match i <= chunk.len() {
                true => text.push(char::from(BASE64[(group >> (18 - 6 * i)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

/// Reads base64; padding may be absent.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    if text.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        let mut group = 0_u32;
        for &letter in chunk {
            let digit = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            group = group << 6 | u32::from(digit);
        }
        group <<= 6 * (4 - chunk.len());
        let [_, all @ ..] = group.to_be_bytes();
        bytes.extend(all.iter().take(chunk.len() - 1));
    }
    Some(bytes)
}

/// Bytes for a terminal: what could move its cursor or is no text is escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                letter if letter.is_control() => text.extend(letter.escape_default()),
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// At most `width` letters, the last one an ellipsis if some are missing.
pub fn shorten(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.into(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_keeps_only_what_is_safe() {
        assert_eq!(percent(b"a/b c\xff~"), "a%2Fb%20c%FF~");
        assert_eq!(percent(b".."), "%2E%2E");
        assert_eq!(percent(b"...x"), "...x");
    }

    #[test]
    fn base64_has_the_vectors_of_rfc_4648_and_reads_them_back() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_base64(&base64(&all)), Some(all));
        assert_eq!(from_base64("Zg"), Some(b"f".to_vec()));
        assert_eq!(from_base64("Z"), None);
        assert_eq!(from_base64("Zm9\u{e9}"), None);
    }

    #[test]
    fn printable_disarms_escapes_and_keeps_text() {
        assert_eq!(printable("né\u{1b}[2J\n\\".as_bytes()), "né\\u{1b}[2J\\n\\\\");
        assert_eq!(printable(b"a\xffb"), "a\\xffb");
    }

    #[test]
    fn shorten_counts_letters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüx", 3), "äö…");
    }
}
