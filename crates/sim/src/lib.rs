//! A deterministic world around the Rumormill core.
//!
//! The world stands in for everything that a real agent has around
//! [`rumormill_core::Node`]: clocks, network, disks and the faults of all three. Nodes talk through
//! the same encoded bytes as on a real network, and everything that happens follows from one seed,
//! so a failure can be replayed from its number. What the world does not do: threads, real clocks,
//! files, sockets.

pub mod checkers;
pub mod checks;
pub mod clock;
pub mod delivery;
pub mod epidemic;
pub mod exchange;
pub mod faults;
pub mod fuzz;
pub mod latency;
pub mod ledger;
pub mod lifeguard;
pub mod options;
#[cfg(debug_assertions)]
#[doc(hidden)]
pub mod planted;
pub mod report;
pub mod scenario;
pub mod script;
pub mod shrink;
pub mod step;
pub mod text;
pub mod trace;
pub mod traffic;
pub mod trial;
pub mod workload;
pub mod world;
pub mod zones;

mod caught;
mod control;
mod copies;
mod detection;
mod disk;
mod event;
mod host;
mod identity;
mod intrusion;
mod link;
mod meter;
mod network;
mod packet;
mod queue;
mod storage;
mod store;
mod strangers;
mod stream;
mod transit;
mod view;

pub use checkers::Violation;
pub use checks::Checks;
pub use copies::{Backup, Copied};
pub use delivery::Delivery;
pub use faults::{Fault, Plan};
pub use latency::Latency;
pub use ledger::WriteId;
pub use options::{Options, Start};
pub use report::{CrossZone, Report};
pub use scenario::Scenario;
pub use script::Script;
pub use step::Step;
pub use traffic::{Count, Traffic};
pub use trial::{Progress, Trial};
pub use workload::Workload;
pub use world::{World, WriteError};
pub use zones::{Placement, Zones};
