//! What all machines say and send by: the kinds of messages, packets, where they wait and where they
//! came from.
//!
//! The floor beneath the protocols. It knows entries, and nothing of what a message means: that is
//! said where it belongs, and summed up in [`crate::message`].

pub mod budget;
pub mod kind;
pub mod origin;
pub mod outbox;
pub mod packet;
pub mod path;
pub mod pieces;
pub mod proof;
pub mod version;

pub use origin::Origin;
pub use outbox::{Cost, Outbox};
pub use path::Paths;
pub use version::Versions;
