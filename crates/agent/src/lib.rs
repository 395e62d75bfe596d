//! Rumormill as a library: one key-value map, the same on every node of a fleet, by gossip.

// Bytes from outside can never end the program.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod agent;
mod alone;
mod builder;
mod clock;
mod command;
mod driver;
mod entropy;
mod error;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod handle;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod jsonl;
mod namesake;
mod net;
mod reach;
#[doc(hidden)]
pub mod redis;
mod report;
mod seal;
mod secret_file;
mod seeds;
pub mod settings;
mod snapshot;
mod store;
mod tags;
#[doc(hidden)]
pub mod tls;
pub mod view;

pub use agent::{Addresses, Agent, Ended};
pub use builder::Builder;
pub use error::{StartError, WriteError};
pub use handle::{LeaveOptions, Rumormill, SetOptions, Watch, WatchError};
pub use report::{
    Alarms, Alone, ClosedWay, Coverage, CoverageError, Diverged, ForeignPeer, ForgetError,
    Handover, HeldInstead, HorizonInfo, JoinerInVain, KeyCoverage, KeyStory, MAX_EVENTS,
    MAX_SESSIONS, MemberCounts, MemberEvents, MemberInfo, NarrowPath, PassRefused, RepairError,
    RepairStory, RingRun, RingStatus, SeedStatus, SeedTried, SharedName, StaleError, Status,
    StrayInfo, Strays, StraysDone, Traffic, Unreached,
};
pub use rumormill_core as core;
pub use rumormill_core::spread::coverage::Want;
#[doc(hidden)]
pub use seal::cost as seal_cost;
pub use seal::{
    Encryption, EncryptionStatus, Key, KeyError, KeyId, KeyRing, Keyring, KeyringError,
    KeyringMember, Refusals, file as key_file,
};
pub use seeds::{Lookup, Resolver, SystemResolver};
pub use settings::Settings;
pub use store::Fsync;
#[doc(hidden)]
pub use store::cost as store_cost;
pub use tags::{TagChange, TagsError, parse_tag};
pub use view::{Event, EventKind};
