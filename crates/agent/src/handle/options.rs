//! What can be said of a value beside the value.

use std::time::Duration;

/// What more to say of a value that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    pub(super) ttl: Option<Duration>,
    pub(super) owned: bool,
}

impl SetOptions {
    /// The value hides itself after this time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The value is seen only while the node that writes it is a live member.
    #[must_use]
    pub fn owned(mut self) -> Self {
        self.owned = true;
        self
    }
}
