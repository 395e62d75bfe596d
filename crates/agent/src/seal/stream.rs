//! Sealed streams: a Noise handshake, then records.
//!
//! `Noise_NNpsk0_25519_AESGCM_SHA256` with a pre-shared key of the ring: whoever lacks the key gets
//! no further than its first message, and whoever records a stream and steals the key afterwards
//! cannot read it. Who the two ends are is said inside.

use super::cluster::{ClusterKey, ClusterRing, HEAD, Misfit};
use super::counters::Drop;
use super::key::KeyId;
use super::noise::Resolver;
use crate::frame;
use rumormill_core::NodeId;
use rumormill_core::data::Fields;
use snow::{Builder, HandshakeState, TransportState};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a sealed stream begins with.
pub(crate) const MAGIC: [u8; 4] = *b"RMX1";
/// Largest content of a record.
const RECORD: usize = 16 * 1024;
const TAG: usize = 16;
/// Bytes of the length before a record.
const LENGTH: usize = 2;
/// Records after which either direction takes a fresh key: 1 GiB, far below what AES-GCM bears.
const REKEY: u64 = 1 << 16;
/// The initiator's first message: its ephemeral key and a tag.
const FIRST: usize = 32 + TAG;
/// The responder's answer: its ephemeral key, its node id, a tag.
const SECOND: usize = 32 + 8 + TAG;

/// A handshake that is through.
pub(crate) struct Session {
    transport: TransportState,
    sent: u64,
    received: u64,
    /// Who is at the other end.
    pub(crate) peer: NodeId,
    /// The key that both ends proved to have.
    pub(crate) key: KeyId,
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn broken(_: snow::Error) -> io::Error {
    invalid("the other end of the stream does not have the key that it should")
}

fn builder<'a>(key: &'a ClusterKey, prologue: &'a [u8]) -> io::Result<Builder<'a>> {
    let params = "Noise_NNpsk0_25519_AESGCM_SHA256".parse().map_err(broken)?;
    let builder = Builder::with_resolver(params, Box::new(Resolver));
    builder.psk(0, &key.psk).and_then(|builder| builder.prologue(prologue)).map_err(broken)
}

fn prologue(key: &ClusterKey) -> Vec<u8> {
    [&MAGIC, &*key.bound].concat()
}

/// Begins a sealed stream as the end that dialled; says who and where this node is.
pub(crate) async fn dial(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    key: &ClusterKey,
    own: NodeId,
    gossip: SocketAddr,
) -> io::Result<Session> {
    let prologue = prologue(key);
    let mut state = builder(key, &prologue)?.build_initiator().map_err(broken)?;
    let mut first = [0; MAGIC.len() + HEAD + FIRST];
    let (magic, rest) = first.split_at_mut(MAGIC.len());
    let (head, message) = rest.split_at_mut(HEAD);
    magic.copy_from_slice(&MAGIC);
    head.copy_from_slice(&key.head);
    state.write_message(&[], message).map_err(broken)?;
    stream.write_all(&first).await?;
    let mut second = [0; SECOND];
    stream.read_exact(&mut second).await?;
    let mut peer = [0; SECOND];
    let len = state.read_message(&second, &mut peer).map_err(broken)?;
    let peer = peer.get(..len).and_then(node_id).ok_or_else(|| invalid("no node id"))?;
    let mut session = Session::new(state, peer, key.id)?;
    let mut record = Vec::new();
    session.seal(&greeting(own, gossip), &mut record)?;
    stream.write_all(&record).await?;
    Ok(session)
}

/// Begins a sealed stream as the end that was dialled, once [`MAGIC`] has come; also returns where
/// the dialler receives gossip. The dialler has answered this handshake, so nobody can open one by
/// sending an old one again.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ring: &ClusterRing,
    own: NodeId,
) -> Result<(Session, SocketAddr), Drop> {
    let mut head = [0; HEAD];
    let mut first = [0; FIRST];
    stream.read_exact(&mut head).await.map_err(|_| Drop::Short)?;
    let keys = ring.of_head(&head).map_err(|misfit| match misfit {
        Misfit::Key => Drop::UnknownKey,
        Misfit::Cluster => Drop::OtherCluster,
    })?;
    stream.read_exact(&mut first).await.map_err(|_| Drop::Short)?;
    let (mut state, key) =
        keys.iter().find_map(|key| Some((respond(key, &first)?, key))).ok_or(Drop::Forged)?;
    let mut second = [0; SECOND];
    state.write_message(&own.0.to_le_bytes(), &mut second).map_err(|_| Drop::Forged)?;
    stream.write_all(&second).await.map_err(|_| Drop::Short)?;
    let mut session = Session::new(state, own, key.id).map_err(|_| Drop::Forged)?;
    let (mut sealed, mut greeting) = (Vec::new(), Vec::new());
    let came = read_record(stream, &mut sealed).await.map_err(|_| Drop::Short)?;
    if !came || session.open(&sealed, &mut greeting).is_err() {
        return Err(Drop::Forged);
    }
    let (id, addr) = read_greeting(&greeting).ok_or(Drop::Forged)?;
    session.peer = id;
    Ok((session, addr))
}

/// Who has dialled, and where it receives gossip. What a later version may have to add stands in
/// fields behind a zero, and is passed over here.
fn read_greeting(greeting: &[u8]) -> Option<(NodeId, SocketAddr)> {
    let (id, rest) = greeting.split_at_checked(8)?;
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let addr = parts.next().filter(|addr| addr.len() <= frame::MAX_ADDR)?;
    Fields::new(parts.next().unwrap_or_default()).ok()?;
    Some((node_id(id)?, std::str::from_utf8(addr).ok()?.parse().ok()?))
}

fn greeting(own: NodeId, gossip: SocketAddr) -> Vec<u8> {
    [&own.0.to_le_bytes()[..], gossip.to_string().as_bytes()].concat()
}

fn respond(key: &ClusterKey, first: &[u8]) -> Option<HandshakeState> {
    let prologue = prologue(key);
    let mut state = builder(key, &prologue).ok()?.build_responder().ok()?;
    state.read_message(first, &mut [0; FIRST]).ok().map(|_| state)
}

fn node_id(bytes: &[u8]) -> Option<NodeId> {
    bytes.try_into().ok().map(|id| NodeId(u64::from_le_bytes(id)))
}

impl Session {
    fn new(state: HandshakeState, peer: NodeId, key: KeyId) -> io::Result<Self> {
        let transport = state.into_transport_mode().map_err(broken)?;
        Ok(Self { transport, sent: 0, received: 0, peer, key })
    }

    /// Appends a record.
    fn seal(&mut self, plain: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        let start = to.len();
        let len = plain.len() + TAG;
        let coded = u16::try_from(len).map_err(|_| invalid("the record is too long"))?;
        to.extend_from_slice(&coded.to_le_bytes());
        to.resize(start + LENGTH + len, 0);
        let out = to.get_mut(start + LENGTH..).unwrap_or_default();
        let written = self.transport.write_message(plain, out).map_err(broken)?;
        if written != len {
            return Err(invalid("a record could not be sealed"));
        }
        self.sent += 1;
        if self.sent.is_multiple_of(REKEY) {
            self.transport.rekey_outgoing();
        }
        Ok(())
    }

    /// Appends what is in a record.
    fn open(&mut self, sealed: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        let start = to.len();
        let len = sealed.len().saturating_sub(TAG);
        to.resize(start + len, 0);
        let out = to.get_mut(start..).unwrap_or_default();
        self.transport.read_message(sealed, out).map_err(broken)?;
        self.received += 1;
        if self.received.is_multiple_of(REKEY) {
            self.transport.rekey_incoming();
        }
        Ok(())
    }
}

/// Reads the next record as it came; false at the end of the stream.
async fn read_record(
    from: &mut (impl AsyncRead + Unpin),
    sealed: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut len = [0; LENGTH];
    let got = from.read(&mut len).await?;
    if got == 0 {
        return Ok(false);
    }
    if let Some(rest) = len.get_mut(got..) {
        from.read_exact(rest).await?;
    }
    let len = usize::from(u16::from_le_bytes(len));
    if !(TAG + 1..=TAG + RECORD).contains(&len) {
        return Err(invalid("a record has a length that none has"));
    }
    sealed.resize(len, 0);
    from.read_exact(sealed).await?;
    Ok(true)
}

type Shared = Arc<Mutex<Session>>;

/// The reading half of a sealed stream.
pub(crate) struct RecordReader<R> {
    from: R,
    session: Shared,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    /// How much of `plain` is used up.
    at: usize,
}

/// The writing half of a sealed stream.
pub(crate) struct RecordWriter<W> {
    to: W,
    session: Shared,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

/// Both halves of a sealed stream, which one task uses.
pub(crate) fn halves<R, W>(session: Session, from: R, to: W) -> (RecordReader<R>, RecordWriter<W>) {
    let session = Arc::new(Mutex::new(session));
    let reading = Arc::clone(&session);
    let (plain, sealed) = (Vec::new(), Vec::new());
    let reader = RecordReader { from, session: reading, sealed: Vec::new(), plain, at: 0 };
    (reader, RecordWriter { to, session, plain: Vec::new(), sealed })
}

impl<R: AsyncRead + Unpin> RecordReader<R> {
    /// Opens the next record; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.plain.drain(..self.at);
        self.at = 0;
        if !read_record(&mut self.from, &mut self.sealed).await? {
            return Ok(false);
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.open(&self.sealed, &mut self.plain)?;
        Ok(true)
    }

    /// Reads the length of the next frame; `None` at the end of the stream.
    pub(crate) async fn read_len(&mut self) -> io::Result<Option<usize>> {
        loop {
            let rest = self.plain.get(self.at..).unwrap_or_default();
            if let Some(len) = rest.first_chunk() {
                self.at += len.len();
                return frame::checked_len(*len).map(Some);
            }
            let nothing = rest.is_empty();
            match self.fill().await? {
                true => {}
                false if nothing => return Ok(None),
                false => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Reads of the body of a frame until so many bytes of it are here, for which there is room.
    pub(crate) async fn read_body(&mut self, body: &mut Vec<u8>, upto: usize) -> io::Result<()> {
        loop {
            let rest = self.plain.get(self.at..).unwrap_or_default();
            let take = rest.len().min(upto - body.len());
            body.extend_from_slice(rest.get(..take).unwrap_or_default());
            self.at += take;
            if body.len() == upto {
                return Ok(());
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> RecordWriter<W> {
    /// Writes a frame; what does not fill a record waits for [`RecordWriter::flush`].
    pub(crate) async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let len = frame::coded_len(frame.len())?;
        for mut part in [&len, frame] {
            while !part.is_empty() {
                let room = RECORD - self.plain.len();
                let (now, later) = part.split_at_checked(room).unwrap_or((part, &[]));
                self.plain.extend_from_slice(now);
                part = later;
                if self.plain.len() == RECORD {
                    self.record().await?;
                }
            }
        }
        Ok(())
    }

    async fn record(&mut self) -> io::Result<()> {
        self.sealed.clear();
        {
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            session.seal(&self.plain, &mut self.sealed)?;
        }
        self.plain.clear();
        self.to.write_all(&self.sealed).await
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.plain.is_empty() {
            self.record().await?;
        }
        self.to.flush().await
    }

    /// Ends the stream in this direction.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.to.shutdown().await
    }
}

/// Bytes on the stream of so many in frames, if each flush came with a full record.
pub(crate) fn len_on_wire(bytes: usize) -> usize {
    bytes + bytes.div_ceil(RECORD) * (LENGTH + TAG)
}

fn fuzz_ring() -> ClusterRing {
    ClusterRing::new(super::KeyRing::new(super::Key::from_bytes([1; 32])), "fuzz")
}

/// The head of a stream that gets beyond its head. See `crate::fuzz`.
#[cfg(test)]
pub(crate) fn fuzz_head() -> [u8; HEAD] {
    fuzz_ring().keys()[0].head
}

/// Reads a stream that a fuzzer made up, as a handshake and as records; returns the bytes of the
/// records. See `crate::fuzz`.
pub(crate) async fn fuzz(stream: &[u8]) -> usize {
    let ring = fuzz_ring();
    let _ = read_greeting(stream);
    let (mut near, mut far) = tokio::io::duplex(1 << 20);
    let wrote = far.write_all(stream).await.is_ok() && far.shutdown().await.is_ok();
    assert!(wrote, "the pipe takes it");
    assert!(answer(&mut near, &ring, NodeId(1)).await.is_err(), "nobody guesses the key");
    let mut sealed = Vec::new();
    let mut bytes = 0;
    let mut from = stream;
    while let Ok(true) = read_record(&mut from, &mut sealed).await {
        bytes += sealed.len();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::datagram::tests::ring;
    use super::*;
    use proptest::prelude::*;
    use std::future::Future;

    const ADDR: &str = "[2001:db8::1]:7400";

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    async fn pair(
        dialler: &ClusterRing,
        dialled: &ClusterRing,
    ) -> (io::Result<Session>, Result<(Session, SocketAddr), Drop>) {
        let (mut near, mut far) = tokio::io::duplex(1 << 20);
        let answer = async move {
            let mut magic = [0; 4];
            far.read_exact(&mut magic).await.unwrap();
            assert_eq!(magic, MAGIC);
            answer(&mut far, dialled, NodeId(2)).await
        };
        let gossip = ADDR.parse().unwrap();
        tokio::join!(dial(&mut near, &dialler.keys()[0], NodeId(1), gossip), answer)
    }

    #[test]
    fn both_ends_learn_who_the_other_is() {
        block_on(async {
            let (one, other) = pair(&ring(&[1, 2], "c"), &ring(&[3, 1], "c")).await;
            let (one, (other, addr)) = (one.unwrap(), other.unwrap());
            assert_eq!((one.peer, other.peer), (NodeId(2), NodeId(1)));
            assert_eq!(addr, ADDR.parse().unwrap());
            assert_eq!(one.key, other.key);
        });
    }

    #[test]
    fn golden_bytes_of_the_greeting() {
        let addr = ADDR.parse().unwrap();
        let golden = [&[8, 7, 6, 5, 4, 3, 2, 1], ADDR.as_bytes()].concat();
        assert_eq!(greeting(NodeId(0x0102_0304_0506_0708), addr), golden);
        let read = |more: &[u8]| read_greeting(&[&golden, more].concat());
        let expected = Some((NodeId(0x0102_0304_0506_0708), addr));
        assert_eq!(
            (read(b""), read(b"\0"), read(b"\0\x09\x02a\0")),
            (expected, expected, expected)
        );
        assert_eq!((read(b"x"), read(b"\0\x09\x03ab")), (None, None));
        assert_eq!(read_greeting(&golden[..7]), None);
    }

    #[test]
    fn strangers_get_no_further_than_the_handshake() {
        block_on(async {
            let ours = ring(&[1], "c");
            for (theirs, why) in
                [(ring(&[2], "c"), Drop::UnknownKey), (ring(&[1], "d"), Drop::OtherCluster)]
            {
                let (one, other) = pair(&theirs, &ours).await;
                assert!(one.is_err());
                assert_eq!(other.err(), Some(why));
            }
        });
    }

    #[test]
    fn a_handshake_that_is_sent_again_opens_nothing() {
        block_on(async {
            let ours = ring(&[1], "c");
            // What a dialler sent, recorded.
            let (mut near, mut far) = tokio::io::duplex(1 << 20);
            let (mut tap, mut node) = tokio::io::duplex(1 << 20);
            let mut recorded = Vec::new();
            let relay = async {
                let mut buffer = vec![0; MAGIC.len() + HEAD + FIRST];
                far.read_exact(&mut buffer).await.unwrap();
                tap.write_all(&buffer).await.unwrap();
                recorded.extend_from_slice(&buffer);
                let mut second = [0; SECOND];
                tap.read_exact(&mut second).await.unwrap();
                far.write_all(&second).await.unwrap();
                let mut greeting = [0; LENGTH + 8 + ADDR.len() + TAG];
                far.read_exact(&mut greeting).await.unwrap();
                tap.write_all(&greeting).await.unwrap();
                recorded.extend_from_slice(&greeting);
            };
            let dialling = dial(&mut near, &ours.keys()[0], NodeId(1), ADDR.parse().unwrap());
            let answering = async {
                node.read_exact(&mut [0; 4]).await.unwrap();
                answer(&mut node, &ours, NodeId(2)).await
            };
            let ((), one, other) = tokio::join!(relay, dialling, answering);
            assert!(one.is_ok() && other.is_ok());
            let (mut tap, mut node) = tokio::io::duplex(1 << 20);
            tap.write_all(&recorded).await.unwrap();
            node.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(answer(&mut node, &ours, NodeId(2)).await.err(), Some(Drop::Forged));
        });
    }

    async fn sessions() -> (Session, Session) {
        let ring = ring(&[1], "c");
        let (one, other) = pair(&ring, &ring).await;
        (one.unwrap(), other.unwrap().0)
    }

    #[test]
    fn frames_of_all_sizes_survive_the_trip_and_keys_are_renewed() {
        block_on(async {
            let (one, other) = sessions().await;
            let mut wire = Vec::new();
            let mut writer = halves(one, tokio::io::empty(), &mut wire).1;
            let frames: Vec<Vec<u8>> = [0, 1, 4, RECORD - 4, RECORD, RECORD + 1, 3 * RECORD]
                .into_iter()
                .map(|len| vec![len as u8; len])
                .collect();
            // As if it had gone on for long.
            writer.session.lock().unwrap().sent = REKEY - 2;
            for (index, frame) in frames.iter().enumerate() {
                writer.write(frame).await.unwrap();
                if index % 2 == 0 {
                    writer.flush().await.unwrap();
                }
            }
            writer.flush().await.unwrap();
            let mut reader = halves(other, wire.as_slice(), tokio::io::sink()).0;
            let mut got = Vec::new();
            reader.session.lock().unwrap().received = REKEY - 2;
            while let Some(len) = reader.read_len().await.unwrap() {
                let mut body = Vec::with_capacity(len);
                reader.read_body(&mut body, len / 2).await.unwrap();
                reader.read_body(&mut body, len).await.unwrap();
                got.push(body);
            }
            assert!(got == frames);
            assert!(reader.session.lock().unwrap().received > REKEY);
        });
    }

    #[test]
    fn the_ciphers_are_those_of_the_published_vectors() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect()
        };
        // From the test vectors of cacophony.
        let psk: [u8; 32] =
            bytes("54686973206973206d7920417573747269616e20706572737065637469766521")
                .try_into()
                .unwrap();
        let one = bytes("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
        let other = bytes("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
        let make = |ephemeral: &'static [u8]| {
            let params = "Noise_NNpsk0_25519_AESGCM_SHA256".parse().unwrap();
            Builder::with_resolver(params, Box::new(Resolver))
                .prologue(b"John Galt")
                .unwrap()
                .fixed_ephemeral_key_for_testing_only(ephemeral)
        };
        let mut one = make(one.leak()).psk(0, &psk).unwrap().build_initiator().unwrap();
        let mut other = make(other.leak()).psk(0, &psk).unwrap().build_responder().unwrap();
        let (mut wire, mut plain) = ([0; 200], [0; 200]);
        let len = one.write_message(b"Ludwig von Mises", &mut wire).unwrap();
        let first = "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79447c37a89fc1781\
                     3788d30df2d59501d6066f5f8aecc3406bbd9829f2d24a531b1";
        assert_eq!(wire[..len], bytes(first));
        other.read_message(&wire[..len], &mut plain).unwrap();
        let len = other.write_message(b"Murray Rothbard", &mut wire).unwrap();
        let second = "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432f29d79368ef\
                      9de4e1ae7a362fb05bf0ad668e026bf5714554497b3a720461";
        assert_eq!(wire[..len], bytes(second));
        one.read_message(&wire[..len], &mut plain).unwrap();
        let mut one = one.into_transport_mode().unwrap();
        let len = one.write_message(b"F. A. Hayek", &mut wire).unwrap();
        assert_eq!(wire[..len], bytes("7c01e898a6201f36aecee532e29cd0b7f8ffa29d3366ad0dce39a6"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_change_ends_the_stream(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
            at: prop::sample::Index,
            bit in 0_u32..8,
        ) {
            block_on(async {
                let (one, other) = sessions().await;
                let mut wire = Vec::new();
                let mut writer = halves(one, tokio::io::empty(), &mut wire).1;
                for frame in &frames {
                    writer.write(frame).await.unwrap();
                    writer.flush().await.unwrap();
                }
                let at = at.index(wire.len());
                wire[at] ^= 1 << bit;
                let mut reader = halves(other, wire.as_slice(), tokio::io::sink()).0;
                let mut got = 0;
                let mut body = Vec::new();
                while let Ok(Some(len)) = reader.read_len().await
                    && let () = body.clear()
                    && reader.read_body(&mut body, len).await.is_ok()
                {
                    assert_eq!(body, frames[got]);
                    got += 1;
                }
                assert!(got < frames.len());
            });
        }
    }
}
