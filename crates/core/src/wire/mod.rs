//! What all machines say and send by: the kinds of messages, packets, and where they wait.
//!
//! The floor beneath the protocols. It knows entries, and nothing of what a message means: that is
//! said where it belongs, and summed up in [`crate::message`].

pub mod budget;
pub mod kind;
pub mod outbox;
pub mod packet;

pub use outbox::Outbox;
