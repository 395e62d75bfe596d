//! The gossip port: datagrams over UDP, and streams over TCP on the same port number.

pub(crate) mod frame;
pub(crate) mod stream;
pub(crate) mod udp;

use crate::error::StartError;
use crate::status::Traffic;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

/// Ports tried when port 0 is asked for and TCP does not get the port that UDP got.
const TRIES: u32 = 32;

/// Binds both transports to one port.
pub(crate) async fn bind(addr: SocketAddr) -> Result<(udp::Udp, TcpListener), StartError> {
    let error = |source| StartError::Bind { what: "gossip", addr, source };
    let mut tries = TRIES;
    loop {
        let udp = udp::Udp::bind(addr).map_err(error)?;
        let bound = udp.local_addr().map_err(error)?;
        match TcpListener::bind(bound).await {
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
        }
    }
}
