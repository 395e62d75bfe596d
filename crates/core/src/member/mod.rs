//! Who is there: the roster's records, the member table, and the check that members are alive.

pub mod liveness;
pub mod record;
mod roll;
pub mod table;

pub use record::{Record, State};
pub use table::{Member, Table};
