//! Rumormill as a library: one key-value map, the same on every node of a fleet, by gossip.

mod builder;
mod driver;
mod entropy;
mod error;
mod handle;
#[doc(hidden)]
pub mod http;
mod ledger;
mod net;
#[doc(hidden)]
pub mod redis;
mod status;
mod store;
pub mod view;

pub use builder::Builder;
pub use error::{StartError, WriteError};
pub use handle::{Rumormill, Watch, WatchError};
pub use rumormill_core as core;
pub use status::{MemberInfo, Status};
pub use view::{Event, EventKind};
