//! Frames on a stream: a greeting, then packets behind their lengths.
//!
//! The greeting says which cluster the dialler belongs to and at which address it receives gossip,
//! since the stream's own port says nothing. Whatever is not a greeting of this cluster ends the
//! connection before anything else is read. What a later version may have to add stands in fields
//! behind the address, which are passed over here; which version the packets in the frames are of,
//! each of them says.

use rumormill_core::data::Fields;
use rumormill_core::wire::packet::MAX_FRAME;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a plain stream begins with.
pub(crate) const MAGIC: [u8; 4] = *b"RMS1";
/// Beside the length of the address: fields follow, behind their own length of one byte.
const FIELDS: u8 = 0x80;
/// Text of a socket address: the longest is an IPv6 address with scope and port.
pub(crate) const MAX_ADDR: usize = 80;

/// Writes the greeting.
pub(crate) async fn greet(
    to: &mut (impl AsyncWrite + Unpin),
    tag: u32,
    gossip: SocketAddr,
) -> io::Result<()> {
    let addr = gossip.to_string();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.push(u8::try_from(addr.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(addr.as_bytes());
    to.write_all(&bytes).await
}

/// True for what a stream of another version begins with, plain or sealed.
pub(crate) fn is_of_another_version(magic: [u8; 4]) -> bool {
    matches!(magic, [b'R', b'M', b'S' | b'X', version] if version != b'1')
}

/// Reads what a stream begins with, by which plain and sealed ones are told apart.
pub(crate) async fn read_magic(from: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; 4]> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic).await?;
    Ok(magic)
}

/// Reads the greeting behind its [`MAGIC`]; returns where the dialler receives gossip.
pub(crate) async fn read_greeting(
    from: &mut (impl AsyncRead + Unpin),
    tag: u32,
) -> io::Result<SocketAddr> {
    let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut head = [0_u8; 5];
    from.read_exact(&mut head).await?;
    let [t0, t1, t2, t3, len] = head;
    if u32::from_le_bytes([t0, t1, t2, t3]) != tag {
        return Err(invalid("not a stream of this cluster"));
    }
    let (more, len) = (len & FIELDS != 0, usize::from(len & !FIELDS));
    if len > MAX_ADDR {
        return Err(invalid("the address in the greeting is too long"));
    }
    let mut addr = vec![0; len];
    from.read_exact(&mut addr).await?;
    if more {
        let mut fields = vec![0; usize::from(from.read_u8().await?)];
        from.read_exact(&mut fields).await?;
        Fields::new(&fields).map_err(|_| invalid("the greeting has fields that are none"))?;
    }
    let addr = std::str::from_utf8(&addr).ok().and_then(|text| text.parse().ok());
    addr.ok_or_else(|| invalid("the greeting names no address"))
}

/// Writes a frame.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(&coded_len(bytes.len())?).await?;
    to.write_all(bytes).await
}

/// The length of a frame, as it stands before it.
pub(crate) fn coded_len(len: usize) -> io::Result<[u8; 4]> {
    let len = u32::try_from(len)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the frame is too long"))?;
    Ok(len.to_le_bytes())
}

/// The length that stands before a frame, if there are such frames.
pub(crate) fn checked_len(coded: [u8; 4]) -> io::Result<usize> {
    let len = u32::from_le_bytes(coded) as usize;
    if len > MAX_FRAME {
        let text = format!("a frame of {len} bytes is over the bound of {MAX_FRAME}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(len)
}

/// Bytes of a frame on the stream.
pub(crate) fn len_on_wire(bytes: usize) -> usize {
    bytes + 4
}

/// Reads the length of the next frame; `None` at the end of the stream.
pub(crate) async fn read_len(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
    let mut len = [0_u8; 4];
    let first = from.read(&mut len).await?;
    if first == 0 {
        return Ok(None);
    }
    if let Some(rest) = len.get_mut(first..) {
        from.read_exact(rest).await?;
    }
    checked_len(len).map(Some)
}

/// Reads of the body of a frame until so many bytes of it are here, for which there is room.
pub(crate) async fn read_body(
    from: &mut (impl AsyncRead + Unpin),
    body: &mut Vec<u8>,
    upto: usize,
) -> io::Result<()> {
    while body.len() < upto {
        let rest = (upto - body.len()) as u64;
        if (&mut *from).take(rest).read_buf(body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_survive_the_trip() {
        let mut wire = Vec::new();
        let gossip = "[::1]:7400".parse().unwrap();
        greet(&mut wire, 7, gossip).await.unwrap();
        write(&mut wire, b"hello").await.unwrap();
        write(&mut wire, b"").await.unwrap();
        let mut from = wire.as_slice();
        assert_eq!(read_magic(&mut from).await.unwrap(), MAGIC);
        assert_eq!(read_greeting(&mut from, 7).await.unwrap(), gossip);
        assert_eq!(read_len(&mut from).await.unwrap(), Some(5));
        let mut body = Vec::with_capacity(5);
        read_body(&mut from, &mut body, 2).await.unwrap();
        assert_eq!(body, b"he");
        read_body(&mut from, &mut body, 5).await.unwrap();
        assert_eq!((&body[..], body.capacity()), (&b"hello"[..], 5));
        assert_eq!(read_len(&mut from).await.unwrap(), Some(0));
        assert_eq!(read_len(&mut from).await.unwrap(), None);
    }

    #[tokio::test]
    async fn golden_bytes() {
        let mut wire = Vec::new();
        greet(&mut wire, 0x0403_0201, "[::1]:74".parse().unwrap()).await.unwrap();
        write(&mut wire, b"hi").await.unwrap();
        assert_eq!(wire, b"RMS1\x01\x02\x03\x04\x08[::1]:74\x02\0\0\0hi");
    }

    #[tokio::test]
    async fn what_a_later_version_adds_to_the_greeting_is_passed_over() {
        let read = async |wire: &[u8]| {
            let mut from = wire;
            let addr = read_greeting(&mut from, 0x0403_0201).await?;
            io::Result::Ok((addr, from.to_vec()))
        };
        let addr = "[::1]:74".parse().unwrap();
        let later = b"\x01\x02\x03\x04\x88[::1]:74\x04\x09\x02abhi";
        assert_eq!(read(later).await.unwrap(), (addr, b"hi".to_vec()));
        assert!(read(b"\x01\x02\x03\x04\x88[::1]:74\x04\x09\x03abhi").await.is_err(), "no fields");
        assert!(read(b"\x01\x02\x03\x04\x88[::1]:74\x04\x09\x02").await.is_err(), "cut off");
        for (magic, other) in
            [(MAGIC, false), (*b"RMS2", true), (*b"RMX2", true), (*b"GET ", false)]
        {
            assert_eq!(is_of_another_version(magic), other);
        }
    }

    #[tokio::test]
    async fn strangers_lies_and_cut_streams_are_errors() {
        let mut wire = Vec::new();
        greet(&mut wire, 7, "127.0.0.1:1".parse().unwrap()).await.unwrap();
        assert!(read_magic(&mut &wire[..3]).await.is_err());
        assert!(read_greeting(&mut &wire[4..], 8).await.is_err());
        assert!(read_greeting(&mut &wire[4..wire.len() - 1], 7).await.is_err());
        assert!(read_len(&mut [0xff; 4].as_slice()).await.is_err());
        assert!(read_len(&mut [1, 0].as_slice()).await.is_err());
        assert!(read_body(&mut b"short".as_slice(), &mut Vec::new(), 6).await.is_err());
    }
}
