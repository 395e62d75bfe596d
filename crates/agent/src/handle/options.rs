//! What can be said of a value beside the value, and of a leave.

use crate::clock::DEFAULT_LEAVE;
use std::time::Duration;

/// How a node is to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveOptions {
    pub(super) wait: Option<Duration>,
    pub(super) by: String,
}

impl Default for LeaveOptions {
    fn default() -> Self {
        Self { wait: Some(DEFAULT_LEAVE), by: "the program".into() }
    }
}

impl LeaveOptions {
    /// It may take this long to hand over what it has; 10 seconds by default. It leaves all the same
    /// then.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.wait = Some(timeout);
        self
    }

    /// It hands nothing over. Its vote in passes of ring repair is missing until it is back, and
    /// what only it holds is there again with it.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.wait = None;
        self
    }

    /// Who asks for it, for the log.
    #[must_use]
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = who.into();
        self
    }
}

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
