//! Rumormill as a library: one key-value map, the same on every node of a fleet, by gossip.

// Bytes from outside can never end the program.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod agent;
mod alarm;
mod builder;
mod coverage;
mod driver;
mod entropy;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod history;
#[doc(hidden)]
pub mod http;
mod ledger;
mod net;
#[doc(hidden)]
pub mod redis;
mod repair;
mod ring;
mod seal;
mod seeds;
pub mod settings;
mod status;
mod store;
mod tags;
#[doc(hidden)]
pub mod tls;
pub mod view;

pub use agent::{Addresses, Agent, Ended};
pub use alarm::{Alarms, SharedName};
pub use builder::{Builder, Fsync};
pub use coverage::{Coverage, CoverageError, KeyCoverage, StaleError, Want};
pub use error::{StartError, WriteError};
pub use handle::{Rumormill, SetOptions, Watch, WatchError};
pub use history::{MAX_EVENTS, MemberEvents};
pub use repair::{Diverged, MAX_SESSIONS, RepairStory};
pub use ring::{ForgetError, HorizonInfo, RepairError, RingRun, RingStatus};
pub use rumormill_core as core;
#[doc(hidden)]
pub use seal::cost as seal_cost;
pub use seal::{
    Encryption, EncryptionStatus, Key, KeyError, KeyId, KeyRing, Keyring, KeyringError,
    KeyringMember, Refusals, file as key_file,
};
pub use seeds::{Lookup, Resolver, SeedStatus, SystemResolver};
pub use settings::Settings;
pub use status::{MemberCounts, MemberInfo, Status, Traffic};
pub use tags::{TagChange, TagsError, parse_tag};
pub use view::{Event, EventKind};
