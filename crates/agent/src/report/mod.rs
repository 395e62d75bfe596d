//! What a node tells of itself, as it is shown to users: words and numbers, and what can be said
//! against a request. Nothing here knows how it is found out.

mod alarms;
mod clocks;
mod coverage;
mod departure;
mod history;
mod members;
mod paths;
mod repair;
mod ring;
mod seeds;
mod status;
mod strays;

pub use alarms::{Alarms, ForeignPeer, SharedName};
pub use clocks::{ClockOff, Clocks};
pub use coverage::{Coverage, CoverageError, KeyCoverage, StaleError};
pub use departure::Handover;
pub use history::{MAX_EVENTS, MemberEvents};
pub use members::{MemberCounts, MemberInfo};
pub use paths::{ClosedWay, JoinerInVain, NarrowPath, Unreached};
pub use repair::{Diverged, MAX_SESSIONS, RepairStory};
pub use ring::{ForgetError, HorizonInfo, PassRefused, RepairError, RingRun, RingStatus};
pub use seeds::{Alone, SeedStatus, SeedTried};
pub use status::{Joining, Status, Traffic};
pub use strays::{HeldInstead, KeyStory, StrayInfo, Strays, StraysDone};

pub(crate) use history::{named, pick};
pub(crate) use members::state_name;
pub(crate) use repair::story;
pub(crate) use status::SLOW;
