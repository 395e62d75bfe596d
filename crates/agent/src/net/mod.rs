//! The gossip port: datagrams over UDP, and streams over TCP on the same port number.

pub(crate) mod stream;
pub(crate) mod udp;

use crate::error::StartError;
use crate::report::Traffic;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpSocket};

/// Ports tried when port 0 is asked for and TCP does not get the port that UDP got.
const TRIES: u32 = 32;
/// Connections that may wait to be accepted; the system may allow fewer (net.core.somaxconn). With
/// the usual 128 a crowd that comes at once waits a second and more for its packets to be sent again.
const BACKLOG: u32 = 4096;

/// Listens for connections.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted agent gets its port back at once. (On Windows this would mean to share it.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Binds both transports to one port.
pub(crate) async fn bind(addr: SocketAddr) -> Result<(udp::Udp, TcpListener), StartError> {
    let error = |source| StartError::Bind { what: "gossip", addr, source };
    let mut tries = TRIES;
    loop {
        let udp = udp::Udp::bind(addr).map_err(error)?;
        let bound = udp.local_addr().map_err(error)?;
        match listen(bound) {
            Ok(listener) => {
                udp.writable().await.map_err(error)?;
                return Ok((udp, listener));
            }
            Err(_) if addr.port() == 0 && tries > 0 => tries -= 1,
            Err(source) => return Err(error(source)),
        }
    }
}

/// Counts what goes through the gossip port; shared with the stream tasks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent_bytes: AtomicU64,
    sent_messages: AtomicU64,
    received_bytes: AtomicU64,
    received_messages: AtomicU64,
    shed_messages: AtomicU64,
}

impl Counters {
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.sent_messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.received_messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn shed(&self) {
        self.shed_messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            sent_messages: self.sent_messages.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            received_messages: self.received_messages.load(Ordering::Relaxed),
            shed_messages: self.shed_messages.load(Ordering::Relaxed),
            ..Traffic::default()
        }
    }
}
