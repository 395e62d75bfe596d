//! The bytes of a connection: as they are, or under TLS.
//!
//! Both are driven by readiness and never wait inside a read or write, so that the commands in
//! between are carried out without a task switch. A plain connection pays one branch per system
//! call for the choice.

use rustls::ServerConnection;
use std::cell::RefCell;
use std::io::{self, BufRead as _, Write as _};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Most sealed bytes read at once.
const MAX_READ: usize = 32 * 1024;

thread_local! {
    /// Where sealed bytes are for the moment between the system and the TLS library.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Sealed>),
}

/// A connection under TLS, its handshake done.
pub(crate) struct Sealed {
    tcp: TcpStream,
    tls: ServerConnection,
    /// Something may have arrived already that the socket will not tell of.
    fresh: bool,
    /// The client has said that nothing more comes.
    closed: bool,
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, tls) = stream.into_inner();
        Self::Tls(Box::new(Sealed { tcp, tls, fresh: true, closed: false }))
    }
}

impl Stream {
    /// The connection beneath.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(sealed) => &sealed.tcp,
        }
    }

    /// Reads what is there, into the room that the buffer has or a little more; 0 at the end.
    pub(crate) fn try_read_buf(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read_buf(to),
            Self::Tls(sealed) => sealed.read(to),
        }
    }

    /// Takes some bytes to send.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(sealed) => sealed.write(bytes),
        }
    }

    /// Hands what was taken to the system, as much as it takes now.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(sealed) => sealed.flush(),
        }
    }

    /// True if bytes that were taken wait for the system to take them.
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(sealed) => sealed.tls.wants_write(),
        }
    }

    /// Waits until a read, or a write if that is of interest, may get on.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::Tls(sealed) if interest.is_readable() && (sealed.fresh || sealed.closed) => {
                Ok(())
            }
            _ => self.tcp().ready(interest).await.map(drop),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.say_goodbye();
        match self {
            Self::Plain(tcp) => tcp.shutdown().await,
            Self::Tls(sealed) => sealed.tcp.shutdown().await,
        }
    }

    /// Under TLS, tells the client that this is the end and no cut; if the system takes it now.
    pub(crate) fn say_goodbye(&mut self) {
        if let Self::Tls(sealed) = self {
            sealed.tls.send_close_notify();
            // A client that has gone already misses nothing.
            let _ = sealed.flush();
        }
    }
}

impl Sealed {
    fn read(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        let before = to.len();
        if std::mem::take(&mut self.fresh) {
            self.unseal(to)?;
            if to.len() > before {
                return Ok(to.len() - before);
            }
        }
        if self.closed {
            return Ok(0);
        }
        let arrived = SEALED.with_borrow_mut(|sealed| {
            sealed.clear();
            sealed.reserve(MAX_READ);
            let n = self.tcp.try_read_buf(sealed)?;
            let mut rest = sealed.as_slice();
            // In steps, since the library takes a bounded piece at a time.
            while !rest.is_empty() && !self.closed {
                if self.tls.read_tls(&mut rest)? == 0 {
                    break;
                }
                self.unseal(to)?;
            }
            io::Result::Ok(n)
        })?;
        match to.len() - before {
            // A part of a record, or something between the two libraries.
            0 if arrived > 0 && !self.closed => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    /// Moves everything that can be opened into the buffer.
    fn unseal(&mut self, to: &mut Vec<u8>) -> io::Result<()> {
        let state = match self.tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The client is told why, if it still listens.
                let _ = self.flush();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        self.closed |= state.peer_has_closed();
        to.reserve(state.plaintext_bytes_to_read());
        let mut reader = self.tls.reader();
        loop {
            match reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(chunk) => {
                    let n = chunk.len();
                    to.extend_from_slice(chunk);
                    reader.consume(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // No goodbye in TLS; the end of the stream itself says it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The library holds a bounded number of sealed bytes and takes no more until they are out.
        self.flush()?;
        let n = self.tls.writer().write(bytes)?;
        if n == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.flush()?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(&self.tcp)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Lets the TLS library write to a socket that never waits.
struct Socket<'a>(&'a TcpStream);

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
