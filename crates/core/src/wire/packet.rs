//! Packets: what one datagram or one stream frame carries.
//!
//! A header (version, cluster tag, sender), then messages one after the other, each behind its kind
//! and length. A message of an unknown kind is passed over and counted, and bytes behind the
//! fields that a reader knows are passed over, so that a version can say more than it did. The
//! header is the same in every version.

use super::version::{SAYING, Versions};
use crate::base::codec::{DecodeError, Reader, Write, varint_len};
use crate::base::id::NodeId;
use crate::data::entry::{MAX_KEY, MAX_VALUE};

/// Bytes before the first message.
pub const HEADER: usize = 1 + 4 + 8;
/// Largest frame on a stream, bytes: one largest entry with its envelope.
pub const MAX_FRAME: usize = MAX_VALUE + MAX_KEY + 1024;
/// Who a packet is from, checked before anything else in it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The cluster's tag.
    pub tag: u32,
    /// The sender.
    pub sender: NodeId,
}

impl Header {
    /// Appends the header of a packet of the first version.
    pub fn encode(self, to: &mut Vec<u8>) {
        to.put(&self.to_bytes(Versions::FIRST.lowest()));
    }

    /// Its bytes in a packet of a version.
    #[must_use]
    pub fn to_bytes(self, version: u8) -> [u8; HEADER] {
        let mut bytes = [version; HEADER];
        let fields = self.tag.to_le_bytes().into_iter().chain(self.sender.0.to_le_bytes());
        bytes.iter_mut().skip(1).zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }

    /// Reads the header of a packet for the cluster with this tag, in one of these versions or the
    /// one that says what its sender speaks: header and version.
    ///
    /// # Errors
    /// [`DecodeError::Stranger`] for another cluster's packet, [`DecodeError::Version`] for one of
    /// another version.
    pub fn decode(
        from: &mut Reader<'_>,
        tag: u32,
        spoken: Versions,
    ) -> Result<(Self, u8), DecodeError> {
        let version = from.u8().map_err(|_| DecodeError::Stranger)?;
        let got = from.u32().map_err(|_| DecodeError::Stranger)?;
        if got != tag {
            return Err(DecodeError::Stranger);
        }
        if version != SAYING && !spoken.has(version) {
            return Err(DecodeError::Version(version));
        }
        let sender = NodeId(from.u64()?);
        Ok((Self { tag, sender }, version))
    }

    /// The packet that says what is spoken by its sender: the same in every version.
    #[must_use]
    pub fn saying(self, versions: Versions) -> Vec<u8> {
        [&self.to_bytes(SAYING)[..], &versions.to_bytes()].concat()
    }
}

/// The sender that a packet names, if it is long enough to name one.
#[must_use]
pub fn sender(packet: &[u8]) -> Option<NodeId> {
    let id = packet.get(HEADER - 8..HEADER)?.try_into().ok()?;
    Some(NodeId(u64::from_le_bytes(id)))
}

/// Appends a message's kind and length, then the parts of its body.
pub fn frame_message(kind: u8, body: &[&[u8]], to: &mut Vec<u8>) {
    let len: usize = body.iter().map(|part| part.len()).sum();
    to.put(&[kind]);
    to.put_varint(len as u64);
    for part in body {
        to.put(part);
    }
}

/// The next message of a packet: its kind and body.
///
/// # Errors
/// If its length is more than what is left.
pub fn next_message<'a>(from: &mut Reader<'a>) -> Result<(u8, Reader<'a>), DecodeError> {
    let kind = from.u8()?;
    let body = from.bytes("message", MAX_FRAME)?;
    Ok((kind, Reader::new(body)))
}

/// Bytes that a message of this body length takes.
#[must_use]
pub fn message_len(body: usize) -> usize {
    1 + varint_len(body as u64) + body
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_OF_TEST: Header = Header { tag: 0x0403_0201, sender: NodeId(5) };

    #[test]
    fn strangers_and_other_versions_are_told_apart() {
        let mut bytes = Vec::new();
        HEADER_OF_TEST.encode(&mut bytes);
        let two = Versions::new(1, 2).unwrap();
        let read = |bytes: &[u8], tag| Header::decode(&mut Reader::new(bytes), tag, two);
        assert_eq!(read(&bytes, 0x0403_0201), Ok((HEADER_OF_TEST, 1)));
        assert_eq!(read(&bytes, 1), Err(DecodeError::Stranger));
        assert_eq!(read(b"GET / HTTP/1.1", 0x0403_0201), Err(DecodeError::Stranger));
        assert_eq!(read(&[], 0x0403_0201), Err(DecodeError::Stranger));
        bytes[0] = 2;
        assert_eq!(read(&bytes, 0x0403_0201), Ok((HEADER_OF_TEST, 2)));
        bytes[0] = 3;
        assert_eq!(read(&bytes, 0x0403_0201), Err(DecodeError::Version(3)));
    }

    #[test]
    fn golden_bytes_of_what_is_spoken() {
        let golden = [0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 1, 2];
        let two = Versions::new(1, 2).unwrap();
        assert_eq!(HEADER_OF_TEST.saying(two), golden);
        let mut reader = Reader::new(&golden);
        let read = Header::decode(&mut reader, 0x0403_0201, Versions::new(7, 9).unwrap());
        assert_eq!(read, Ok((HEADER_OF_TEST, SAYING)));
        assert_eq!(Versions::decode(&mut reader), Ok(two));
    }
}
