//! What the world can tell a node.

use std::net::SocketAddr;

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram came in.
    Datagram {
        /// Where from.
        from: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A whole frame came in over a stream.
    Frame {
        /// The peer's gossip address (not the stream's own port).
        from: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A stream could not be opened or broke; what was queued on it is lost.
    StreamLost {
        /// The peer's gossip address.
        to: SocketAddr,
    },
    /// The system does not send a datagram because it is too large for the way to its receiver.
    TooLarge {
        /// Where it was to go.
        to: SocketAddr,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// The deadline that [`crate::Node::deadline`] named has come.
    Tick,
    /// A user asks to join a cluster through these addresses. They are tried again for as long as
    /// no member is known there.
    Join {
        /// Gossip addresses of members.
        seeds: &'a [SocketAddr],
    },
    /// A user asks to leave: say goodbye to all.
    Leave,
}
