//! What everything else stands on: time, randomness, identity, bytes, hashes, and how deep
//! to look when something is checked.
//!
//! Nothing here knows what an entry or a member is, but for the names in `planted`.

pub mod check;
pub mod codec;
pub mod hash;
pub mod id;
pub mod lately;
#[doc(hidden)]
pub mod planted;
pub mod rng;
pub mod time;
