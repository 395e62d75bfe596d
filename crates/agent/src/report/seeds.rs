//! The names to join by, as a node tells of them.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A name to join by, and what became of looking it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedStatus {
    /// The name as it was given.
    pub name: String,
    /// Where it was found last; all of these are tried.
    pub addresses: Vec<SocketAddr>,
    /// Why it was not found at the last try.
    pub error: Option<String>,
    /// How often it was looked up.
    pub lookups: u64,
    /// How often it was not found.
    pub failures: u64,
}

impl SeedStatus {
    /// What is wrong, in words for people.
    pub(crate) fn warning(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let name = &self.name;
        let still = match self.addresses.is_empty() {
            true => "",
            false => ", and its addresses of before are still tried",
        };
        Some(format!(
            "the member to join by {name:?} cannot be found ({error}): check the name and the name \
             servers; it is looked up again and again{still}"
        ))
    }
}
