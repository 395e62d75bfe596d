//! Bodies of fuzz targets, which also run under the ordinary tests.

use super::command::glob;
use super::wire::resp::{Limits, Parser, ProtocolError};

const LIMITS: Limits = Limits { args: 1000, bulk: 4096, request: 16 * 1024, authenticated: true };

/// What a stream of bytes means: its requests, and the error that ends it.
type Meaning = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Parses bytes as a stream of requests in one piece and cut in pieces: no panic, no allocation
/// beyond a bound, and the same meaning either way. The first byte says how the stream is cut.
pub fn fuzz_resp(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    for limits in [LIMITS, Limits::UNAUTHENTICATED] {
        let whole = meaning(stream, &limits, usize::MAX, 0);
        let pieces = meaning(stream, &limits, usize::from(cut % 16) + 1, usize::from(cut / 16));
        assert_eq!(whole, pieces, "the meaning depends on how the stream is cut");
    }
}

/// Matches bytes against a pattern; both come from the input, cut at its first zero byte.
pub fn fuzz_glob(data: &[u8]) {
    let cut = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (pattern, rest) = data.split_at_checked(cut).unwrap_or_default();
    let text = rest.get(1..).unwrap_or_default();
    let (head, whole) = glob::literal_head(pattern);
    let matched = glob::Glob::new(pattern).matches(text);
    assert!(!matched || text.starts_with(&head), "a match begins with the literal head");
    assert!(!whole || matched == (text == head), "without wildcards only the head matches");
}

/// Feeds the stream in pieces of `piece` bytes, each longer than the one before it by `growth`.
fn meaning(stream: &[u8], limits: &Limits, mut piece: usize, growth: usize) -> Meaning {
    let mut parser = Parser::default();
    let (mut start, mut end) = (0, 0);
    let mut requests = Vec::new();
    loop {
        let arrived = stream.get(start..end).unwrap_or_default();
        match parser.parse(arrived, limits) {
            Ok(Some(len)) => {
                assert!((1..=arrived.len()).contains(&len), "a request has a length");
                let request = parser.request(arrived);
                requests.push(request.from(0).map(<[u8]>::to_vec).collect());
                parser.reset();
                start += len;
            }
            Ok(None) if end == stream.len() => return (requests, None),
            Ok(None) => {
                end = end.saturating_add(piece).min(stream.len());
                piece = piece.saturating_add(growth);
            }
            Err(error) => return (requests, Some(error)),
        }
        // A place per argument, and the words of one inline request; vectors grow by doubling.
        let most = 2 * (8 * limits.args.max(stream.len()) + stream.len()) + 1024;
        assert!(parser.capacity() <= most, "allocated {} bytes", parser.capacity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> impl Strategy<Value = Vec<u8>> {
        let arg = prop::collection::vec(any::<u8>(), 0..40);
        let multibulk = prop::collection::vec(arg, 0..6).prop_map(|args| {
            let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
            for arg in args {
                bytes.extend(format!("${}\r\n", arg.len()).into_bytes());
                bytes.extend(arg);
                bytes.extend(b"\r\n");
            }
            bytes
        });
        let inline = "[a-c'\"\\\\x0-9 ]{0,20}\r?\n".prop_map(String::into_bytes);
        let noise = prop::collection::vec(any::<u8>(), 0..12);
        let nearly = "[*$]-?[0-9]{1,12}\r\n".prop_map(String::into_bytes);
        prop_oneof![6 => multibulk, 3 => inline, 1 => noise, 1 => nearly]
    }

    proptest! {
        #[test]
        fn streams_of_requests(cut in any::<u8>(), parts in prop::collection::vec(request(), 0..8)) {
            let mut data = vec![cut];
            data.extend(parts.concat());
            fuzz_resp(&data);
        }

        #[test]
        fn noise(data in prop::collection::vec(any::<u8>(), 0..300)) {
            fuzz_resp(&data);
            fuzz_glob(&data);
        }
    }

    #[test]
    fn long_inline_lines() {
        for len in [LIMITS.bulk - 1, LIMITS.bulk, LIMITS.bulk + 1] {
            let mut data = vec![0xf0];
            data.extend(std::iter::repeat_n(b'a', len));
            data.push(b'\n');
            fuzz_resp(&data);
        }
    }
}
