//! Bodies of fuzz targets for whatever this crate reads from outside; they also run under the
//! ordinary tests.

pub use crate::http::{fuzz_bulk as bulk, fuzz_query as query};
pub use crate::redis::{fuzz_glob as glob, fuzz_resp as resp};
pub use crate::tls::fuzz_validity as certificate;

use crate::frame;
use crate::seal;
use crate::store::fuzz_record;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::io::AsyncReadExt as _;

/// A record of the store.
pub fn store_record(data: &[u8]) {
    fuzz_record(data);
}

/// A stream from a peer, in two pieces: the greeting, then frames until one is wrong. Never more
/// memory than what came.
pub fn frames(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let (first, second) = stream.split_at_checked(usize::from(*cut)).unwrap_or((stream, &[]));
    for greeted in [false, true] {
        let reading = async {
            let mut from = first.chain(second);
            if !greeted
                && (frame::read_magic(&mut from).await.ok() != Some(frame::MAGIC)
                    || frame::read_greeting(&mut from, 0).await.is_err())
            {
                return 0;
            }
            let mut bytes = 0;
            let mut body = Vec::new();
            while let Ok(Some(len)) = frame::read_len(&mut from).await
                && let () = body.clear()
                && frame::read_body(&mut from, &mut body, len).await.is_ok()
            {
                assert_eq!(body.len(), len, "a frame is as long as it says");
                bytes += frame::len_on_wire(len);
            }
            bytes
        };
        let bytes = at_once(reading).unwrap_or(usize::MAX);
        assert!(bytes <= stream.len(), "{bytes} bytes of frames in {}", stream.len());
    }
}

/// A datagram that claims to be sealed with the key of a cluster, once and again, from somebody who
/// does not have the key.
pub fn sealed_datagram(data: &[u8]) {
    seal::fuzz_datagram(data);
}

/// A sealed stream from somebody who does not have the key.
pub fn sealed_stream(data: &[u8]) {
    let data = data.get(..1 << 16).unwrap_or(data);
    let bytes = at_once(seal::stream::fuzz(data)).unwrap_or(usize::MAX);
    assert!(bytes <= data.len(), "{bytes} bytes of records in {}", data.len());
}

/// What a member says of the key ring.
pub fn ring_note(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let (key, value) = data.split_at_checked(usize::from(*cut % 16)).unwrap_or((data, &[]));
    seal::fuzz_note(key, value);
}

/// A key file.
pub fn key_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(ring) = crate::key_file::parse(&text) {
        assert!(!ring.keys().is_empty(), "a ring is never empty");
    }
}

/// The outcome of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..40);
        let lie = prop::option::weighted(0.1, any::<u32>());
        let frames = prop::collection::vec((body, lie), 0..6);
        (any::<bool>(), frames).prop_map(|(greets, frames)| {
            let mut wire = Vec::new();
            if greets {
                let greeting = frame::greet(&mut wire, 0, "[::1]:7400".parse().unwrap());
                at_once(greeting).unwrap().unwrap();
            }
            for (body, lie) in frames {
                wire.extend(lie.unwrap_or(body.len() as u32).to_le_bytes());
                wire.extend(body);
            }
            wire
        })
    }

    proptest! {
        #[test]
        fn streams(cut: u8, mut stream in stream(), changed: prop::sample::Index, to: u8) {
            stream.insert(0, cut);
            frames(&stream);
            let at = changed.index(stream.len());
            stream[at] = to;
            frames(&stream);
        }

        #[test]
        fn noise(data in prop::collection::vec(any::<u8>(), 0..200)) {
            frames(&data);
            store_record(&data);
            sealed_datagram(&data);
            sealed_stream(&data);
            ring_note(&data);
            key_file(&data);
        }

        #[test]
        fn sealed_streams(data in prop::collection::vec(any::<u8>(), 0..200), len: u16) {
            let head = seal::stream::fuzz_head();
            sealed_stream(&[&head, data.as_slice()].concat());
            sealed_stream(&[&len.to_le_bytes(), data.as_slice()].concat());
        }
    }
}
