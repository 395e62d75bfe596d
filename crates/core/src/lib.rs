//! The gossip protocol of Rumormill as one state machine, without IO.
//!
//! [`Node`] is the whole of it: inputs and time go in, outputs come out. It reads no clock, opens
//! no socket or file, starts no thread and draws all randomness from a seed that it is given, so
//! that the agent and the simulator run the very same code through the very same bytes.
//!
//! Arrows point down only: [`base`] knows nothing of the rest; [`data`] (entries, stamps, the map)
//! stands on it; [`wire`] carries messages; [`member`] knows who is there; [`reconcile`] finds out
//! what differs between two maps; [`retain`] knows what may go; [`spread`] moves entries; [`node`]
//! alone joins them.

// A peer's bytes can never end the program.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod base;
pub mod config;
pub mod data;
#[doc(hidden)]
pub mod fuzz;
pub mod input;
pub mod limits;
pub mod member;
pub mod message;
pub mod node;
pub mod output;
pub mod reconcile;
pub mod retain;
pub mod spread;
pub mod stats;
pub mod wire;

pub use base::id::NodeId;
pub use base::time::{Instant, Now};
pub use config::Config;
pub use input::Input;
pub use member::Identity;
pub use node::Node;
pub use output::Output;
pub use stats::Stats;
