//! What can be set on an epidemic.

use std::sync::atomic::{AtomicBool, AtomicU64};

/// How the news spreads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Complex epidemic (SIR): infective nodes lose interest by the stop rule.
    #[default]
    Rumor,
    /// Simple epidemic (SI): nobody ever loses interest.
    AntiEntropy,
    /// The writer tells everyone it knows, once.
    DirectMail,
    /// A rumor with a range: each receiver is responsible for a part of the circle of members.
    Tree,
    /// Round the ring from a random start, and round again.
    Ring,
    /// Rumor mongering, then anti-entropy for the residue.
    Combined,
}

/// Who gives whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contact {
    /// Infective nodes call and give.
    #[default]
    Push,
    /// Every node calls and asks.
    Pull,
    /// Every node calls; news goes whichever way it is lacking.
    PushPull,
}

/// When an infective node loses interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    None,
    /// With probability 1/k at a contact that counts.
    Coin,
    /// After k contacts that count; a necessary one sets the count back to zero.
    #[default]
    Counter,
}

/// An epidemic.
#[derive(Clone, Debug)]
pub struct Model {
    /// Nodes, at least 1.
    pub nodes: usize,
    /// How the news spreads.
    pub method: Method,
    /// Who gives whom.
    pub contact: Contact,
    /// Partners per node and cycle, at least 1.
    pub fanout: usize,
    /// When interest is lost.
    pub stop: Stop,
    /// The k of the stop rule, at least 1.
    pub k: u32,
    /// True: only contacts with nodes that already knew count. False (blind): all do.
    pub feedback: bool,
}

/// Settings that make no epidemic, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Shared with whoever watches a run: how far it is, and the wish to end it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Trials done.
    pub trials: AtomicU64,
    /// Set it to end the run early: what is done until then is the result.
    pub stop: AtomicBool,
}
