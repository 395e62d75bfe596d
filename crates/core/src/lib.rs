//! The gossip protocol of Rumormill as one state machine.

pub mod base;
pub mod config;
pub mod data;
pub mod input;
pub mod member;
pub mod node;
pub mod output;
pub mod reconcile;
pub mod spread;
pub mod stats;

pub use base::id::NodeId;
pub use base::time::{Instant, Now};
pub use config::Config;
pub use input::Input;
pub use node::{Identity, Node};
pub use output::Output;
pub use stats::Stats;
