//! The HTTP API of an agent, as the commands use it.

mod answers;
mod cluster;
mod connection;
mod entries;
mod strays;

pub use answers::{Begun, BulkError, Counts, EntryJson, MemberEvent, MemberEvents, Status};
pub use connection::Client;
