//! Commands, by their kinds: the table that names them all, and what each does with a session.

pub(super) mod client;
pub(super) mod config;
pub(super) mod glob;
pub(super) mod handshake;
pub(super) mod info;
pub(super) mod introspect;
pub(super) mod key;
pub(super) mod refused;
pub(super) mod scan;
pub(super) mod string;
pub(super) mod synopsis;
pub(super) mod table;
pub(super) mod wait;

/// The Redis version whose commands and errors are followed; clients decide by it what to send.
const REDIS_VERSION: &str = "7.4.0";
