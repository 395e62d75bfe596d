//! Datagrams, several per system call where the system can.

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Asked of the system for either direction; it may give less (net.core.rmem_max).
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// Buffers filled by one system call.
const BATCH: usize = 16;
/// A buffer takes several datagrams of one sender where the system joins them.
const BUFFER: usize = 64 * 1024;

/// True if a datagram was refused because it is larger than what its way carries.
pub(crate) fn is_too_large(error: &io::Error) -> bool {
    quinn_udp::is_msg_size_err(error)
}

pub(crate) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
}

impl Udp {
    /// Must be called on a Tokio runtime.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // A smaller buffer than asked for is no error: losses are repaired.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Self { socket, state, buffers: vec![0; BATCH * BUFFER] })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until something can be received.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Waits until something can be sent: a fresh socket counts as full until the runtime has heard
    /// of it from the system, and what is sent before that would be shed.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Receives what is there, up to a batch, and hands out each datagram; returns how many there
    /// were, 0 if there is nothing.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) -> usize {
        let Self { socket, state, buffers } = self;
        let mut metas = [RecvMeta::default(); BATCH];
        let mut slices: Vec<IoSliceMut<'_>> =
            buffers.chunks_mut(BUFFER).map(IoSliceMut::new).collect();
        // An error that is not "nothing there" is about an earlier send (port unreachable).
        let filled = socket
            .try_io(Interest::READABLE, || {
                state.recv(UdpSockRef::from(&*socket), &mut slices, &mut metas)
            })
            .unwrap_or(0);
        let mut count = 0;
        for (meta, buffer) in metas.iter().zip(buffers.chunks(BUFFER)).take(filled) {
            let filled = buffer.get(..meta.len).unwrap_or_default();
            for datagram in filled.chunks(meta.stride.max(1)) {
                each(meta.addr, datagram);
                count += 1;
            }
        }
        count
    }

    /// Sends a datagram. The system does not take it apart into fragments, which are dropped on
    /// many ways: what is too large for the next link is refused, see [`is_too_large`].
    ///
    /// # Errors
    /// If the system does not take it now. Gossip does not wait: it sheds and repairs.
    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: bytes,
            segment_size: None,
            src_ip: None,
        };
        self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
        })
    }
}
