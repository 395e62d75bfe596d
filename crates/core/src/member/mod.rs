//! Who is there: the roster's records, the member table, and SWIM with Lifeguard, which finds out
//! who is alive.
//!
//! [`probe`] asks members whether they are there, [`suspicion`] gives the silent time to answer,
//! [`health`] doubts this node itself first, [`rejoin`] finds lost members again, [`twin`] bounds the
//! quarrel of two with one id, [`reach`] finds who is heard and cannot be reached, and [`flight`]
//! remembers why what was believed. They do not know each other, but for [`probe`], which stands on
//! [`health`]; [`watch`] joins them. [`notes`] are what else the roster carries, and [`hours`] sets the
//! wall clock against those of the others.

pub mod config;
pub mod env;
pub mod flight;
pub mod health;
pub mod hours;
pub mod identity;
pub mod known;
pub mod notes;
pub mod probe;
pub mod reach;
pub mod record;
pub mod rejoin;
mod roll;
pub mod roster;
pub mod suspicion;
pub mod table;
pub mod tags;
pub mod twin;
pub mod watch;
pub mod zone;

pub use config::Config;
pub use env::Env;
pub use hours::{Hours, Judgement, Off};
pub use identity::Identity;
pub use known::Member;
pub use notes::Notes;
pub use record::{Record, State};
pub use roster::Roster;
pub use table::Table;
pub use tags::Tags;
pub use watch::Watch;
pub use zone::Zone;
