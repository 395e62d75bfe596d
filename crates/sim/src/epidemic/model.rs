//! What can be set on an epidemic.

use super::graph::Graph;
use super::spatial::Spatial;
use super::topology::Network;
use std::sync::Arc;
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

impl Method {
    /// True if nodes call partners of their choice, cycle after cycle.
    #[must_use]
    pub fn is_gossip(self) -> bool {
        matches!(self, Self::Rumor | Self::AntiEntropy | Self::Combined)
    }
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
    /// Never. Such an epidemic ends when everyone who can be reached has heard.
    None,
    /// With probability 1/k at a contact that counts.
    Coin,
    /// After k contacts that count; a necessary one sets the count back to zero. Where contacts
    /// come in as well (pull, push-pull), cycles with a contact that counts are counted. Blind:
    /// infective for exactly k cycles.
    #[default]
    Counter,
}

/// Who can call whom.
#[derive(Clone, Debug, Default)]
pub enum Contacts {
    /// Everyone everyone, with equal chance.
    #[default]
    Complete,
    /// Neighbours in a graph, with equal chance.
    Graph(Arc<Graph>),
    /// Everyone everyone, the near rather than the far.
    Spatial(Arc<Spatial>),
}

impl Contacts {
    /// True if every node can call every other.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        !matches!(self, Self::Graph(_))
    }
}

impl From<Network> for Contacts {
    fn from(network: Network) -> Self {
        match network {
            Network::Graph(graph) => Self::Graph(Arc::new(graph)),
            Network::Complete(_) => Self::Complete,
        }
    }
}

/// An epidemic.
#[derive(Clone, Debug)]
pub struct Model {
    /// Nodes, at least 1.
    pub nodes: usize,
    /// How the news spreads.
    pub method: Method,
    /// Who gives whom (rumor, anti-entropy, combined).
    pub contact: Contact,
    /// Partners per node and cycle, at least 1 and at most its contacts. Tree: parts of a range.
    pub fanout: usize,
    /// When interest is lost (rumor, combined).
    pub stop: Stop,
    /// The k of the stop rule, at least 1.
    pub k: u32,
    /// True: only contacts with nodes that already knew count. False (blind): all do.
    pub feedback: bool,
    /// If both know already, only the smaller counter goes up (both if equal). Needs push-pull,
    /// feedback and counters.
    pub minimization: bool,
    /// Karp et al. 2000: the random phone call model with the median-counter rule in the place
    /// of the stop rule.
    pub median_counter: bool,
    /// Contacts that a node accepts in a cycle; the rest are refused.
    pub connection_limit: Option<u32>,
    /// Others that a refused node may try in the same cycle.
    pub hunt: u32,
    /// A node never sends to the same node twice.
    pub never_repeat: bool,
    /// A node never sends to the node that it has the news from.
    pub no_return: bool,
    /// Probability that a message, update or request, is lost on its way. It counts as sent.
    pub loss: f64,
    /// Share of nodes that are down without anyone noticing: they never hear and are no residue.
    pub crash: f64,
    /// Nodes that know the news at the start, at least 1.
    pub start: usize,
    /// Direct mail: how often a letter that was not acknowledged is sent again.
    pub retries: u32,
    /// Who can call whom.
    pub contacts: Contacts,
    /// Cycles after which a trial of rumor, anti-entropy or combined is ended, come what may.
    pub max_rounds: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            nodes: 1000,
            method: Method::default(),
            contact: Contact::default(),
            fanout: 1,
            stop: Stop::default(),
            k: 1,
            feedback: true,
            minimization: false,
            median_counter: false,
            connection_limit: None,
            hunt: 0,
            never_repeat: false,
            no_return: false,
            loss: 0.0,
            crash: 0.0,
            start: 1,
            retries: 0,
            contacts: Contacts::default(),
            max_rounds: 10_000,
        }
    }
}

impl Model {
    /// Nodes that are up: the others are a fixed share, drawn anew for each trial.
    #[must_use]
    pub fn live(&self) -> usize {
        let down = (self.crash * self.nodes as f64).round() as usize;
        self.nodes.saturating_sub(down)
    }
}

/// Shared with whoever watches a run: how far it is, and the wish to end it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Trials done.
    pub trials: AtomicU64,
    /// Cycles done, over all trials.
    pub rounds: AtomicU64,
    /// Set it to end the run early: what is done until then is the result.
    pub stop: AtomicBool,
}
