//! Carrying frames over a stream that is open.

use super::intake::Room;
use super::link::{Shared, StreamEvent, Waiting};
use crate::frame;
use crate::seal::Drop as Dropped;
use crate::seal::stream::{self as sealed, RecordReader, RecordWriter};
use rumormill_core::NodeId;
use rumormill_core::wire::packet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A stream without traffic for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A frame must come or go within this time.
const STALL: Duration = Duration::from_secs(30);

/// A stream whose greeting is done.
pub(super) struct Opened {
    reader: Reader,
    writer: Writer,
    /// Who is at the other end, where that is proved.
    peer: Option<NodeId>,
    /// Where the other end is, whatever it says.
    remote: IpAddr,
}

enum Reader {
    Plain(BufReader<OwnedReadHalf>),
    Sealed(RecordReader<BufReader<OwnedReadHalf>>),
}

enum Writer {
    Plain(BufWriter<OwnedWriteHalf>),
    Sealed(RecordWriter<OwnedWriteHalf>),
}

impl Opened {
    pub(super) fn plain(stream: TcpStream) -> Self {
        let remote = remote(&stream);
        let (reader, writer) = stream.into_split();
        let reader = Reader::Plain(BufReader::with_capacity(4 * 1024, reader));
        let writer = Writer::Plain(BufWriter::with_capacity(16 * 1024, writer));
        Self { reader, writer, peer: None, remote }
    }

    pub(super) fn sealed(session: sealed::Session, stream: TcpStream) -> Self {
        let (peer, remote) = (Some(session.peer), remote(&stream));
        let (reader, writer) = stream.into_split();
        // Records have a buffer of their own.
        let reader = BufReader::with_capacity(4 * 1024, reader);
        let (reader, writer) = sealed::halves(session, reader, writer);
        Self { reader: Reader::Sealed(reader), writer: Writer::Sealed(writer), peer, remote }
    }
}

fn remote(stream: &TcpStream) -> IpAddr {
    // Of one that is gone already it makes no difference.
    stream.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |addr| addr.ip().to_canonical())
}

impl Reader {
    async fn read_len(&mut self) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(reader) => frame::read_len(reader).await,
            Self::Sealed(reader) => reader.read_len().await,
        }
    }

    async fn read_until(&mut self, body: &mut Vec<u8>, upto: usize) -> io::Result<()> {
        match self {
            Self::Plain(reader) => frame::read_body(reader, body, upto).await,
            Self::Sealed(reader) => reader.read_body(body, upto).await,
        }
    }

    /// Reads the body of a frame, for as long as it need not make room.
    async fn read_body(&mut self, len: usize, room: &Room) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while body.len() < len {
            let step = Room::step(body.len(), len);
            room.take(step).await?;
            body.reserve_exact(step);
            let upto = body.len() + step;
            tokio::select! {
                read = self.read_until(&mut body, upto) => read?,
                () = room.ended() => return Err(io::Error::other("a frame made room for others")),
            }
        }
        room.whole();
        Ok(body)
    }
}

impl Writer {
    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(writer) => frame::write(writer, frame).await,
            Self::Sealed(writer) => writer.write(frame).await,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.flush().await,
            Self::Sealed(writer) => writer.flush().await,
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.shutdown().await,
            Self::Sealed(writer) => writer.shutdown().await,
        }
    }
}

/// Bytes of a frame on the stream.
fn len_on_wire(frame: usize, is_sealed: bool) -> usize {
    let bytes = frame::len_on_wire(frame);
    if is_sealed { sealed::len_on_wire(bytes) } else { bytes }
}

/// Carries frames both ways until either side ends it or nothing has happened for long.
pub(super) async fn run(
    opened: Opened,
    peer: SocketAddr,
    queue: mpsc::UnboundedReceiver<Waiting>,
    shared: &Shared,
) -> io::Result<()> {
    let active = AtomicBool::new(true);
    let Opened { reader, writer, peer: id, remote } = opened;
    tokio::select! {
        ended = read(reader, (peer, remote), id, &active, shared) => ended,
        ended = write(writer, queue, &active, shared) => ended,
    }
}

async fn read(
    mut reader: Reader,
    (from, remote): (SocketAddr, IpAddr),
    id: Option<NodeId>,
    active: &AtomicBool,
    shared: &Shared,
) -> io::Result<()> {
    loop {
        // How long a stream may be idle is for the writing half to say.
        let Some(len) = reader.read_len().await? else { return Ok(()) };
        active.store(true, Ordering::Relaxed);
        let room = shared.intake.begin(remote, id.is_some());
        let bytes = timeout(STALL, reader.read_body(len, &room)).await??;
        shared.counters.received(len_on_wire(len, id.is_some()));
        if id.is_some() && id != packet::sender(&bytes) {
            shared.lock.iter().for_each(|lock| lock.counters.dropped(Dropped::Forged));
            let text = "a frame is from another node than the stream";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let frame = StreamEvent::Frame { from, bytes, sealed: id.is_some(), room };
        if shared.events.send(frame).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut writer: Writer,
    mut queue: mpsc::UnboundedReceiver<Waiting>,
    active: &AtomicBool,
    shared: &Shared,
) -> io::Result<()> {
    let sealed = matches!(writer, Writer::Sealed(_));
    loop {
        let mut frame = match timeout(IDLE, queue.recv()).await {
            Ok(Some(frame)) => frame,
            Err(_) if active.swap(false, Ordering::Relaxed) => continue,
            Ok(None) | Err(_) => return writer.shutdown().await,
        };
        timeout(STALL, writer.write(&frame.bytes)).await??;
        if queue.is_empty() {
            timeout(STALL, writer.flush()).await??;
        }
        frame.sent = true;
        shared.counters.sent(len_on_wire(frame.bytes.len(), sealed));
    }
}
