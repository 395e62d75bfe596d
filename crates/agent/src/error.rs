//! What can go wrong, whose fault it is, and whether anything changed.

use rumormill_core::config::ConfigError;
use rumormill_core::data::Refused;
use std::net::SocketAddr;
use thiserror::Error;

/// A node could not start. Nothing is left running.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The gossip address could not be bound.
    #[error("cannot bind the {what} address {addr}: {source}; {}", remedy_of(what, source))]
    Bind {
        /// Which address.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address is open to others and there is no key.
    #[error(
        "refusing to open the {what} port on {addr}: it is not a loopback address and there is no \
         {key}, so anyone who reaches it could read and write everything. {then}Bind 127.0.0.1, or \
         pass --insecure (insecure = true) if the network itself keeps strangers out",
        key = key_of(what),
        then = commands_of(what, *addr)
    )]
    Insecure {
        /// Which address.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
    },
    /// The data folder cannot be used; the message says why and what to do.
    #[error("{0}")]
    Store(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// How another address is given, and when it helps.
fn remedy_of(what: &str, source: &std::io::Error) -> String {
    let setting = what.to_ascii_lowercase();
    let why = match source.kind() {
        std::io::ErrorKind::AddrInUse => "another program, or another agent, has it",
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        std::io::ErrorKind::PermissionDenied => "the system does not allow it",
        _ => "the system said no",
    };
    format!("{why}. Name another with --{setting} ADDR ({setting} = \"ADDR\")")
}

/// The commands by which a gossip port gets its key.
fn commands_of(what: &str, addr: SocketAddr) -> String {
    match what {
        "gossip" => format!(
            "For a new cluster:\n  rumormill keygen cluster.key\n  rumormill agent --gossip {addr} \
             --key-file cluster.key\nwith a copy of that file on every node. "
        ),
        _ => String::new(),
    }
}

/// What keeps strangers from a port, and how it is given.
fn key_of(what: &str) -> &'static str {
    match what {
        "Redis" => {
            "password (redis_password_file, or RUMORMILL_REDIS_PASSWORD), nor are clients made to \
             show certificates (tls.client_ca)"
        }
        "HTTP" => {
            "token (http_token_file, or RUMORMILL_HTTP_TOKEN), nor are clients made to show \
             certificates (tls.client_ca)"
        }
        _ => {
            "key that is required of others (`rumormill keygen FILE` makes one; then key_file = FILE \
             or --key-file FILE, the same on all nodes, and no other encryption than \"require\")"
        }
    }
}

/// A write was not acknowledged.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// The user asked for something out of bounds. Nothing changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store does not take writes (a full disk, say). Nothing changed, or the write is in
    /// memory only and will be made durable when the store recovers.
    #[error("the store does not take writes: {0}")]
    Store(String),
    /// The node is leaving or stopping, and hands over what it has. Nothing changed.
    #[error("this node is leaving or stopping and takes no more writes: write to another member")]
    Leaving,
    /// The node has shut down. Nothing changed.
    #[error("the node has shut down")]
    Closed,
}
