//! How a new entry reaches the others: direct mail, rumor mongering, the tree rumor; and the
//! anti-entropy beneath them that makes up for what they lose.
//!
//! Each is a machine of its own file with its own settings and messages. They do not know each
//! other; the node joins them.

pub mod entropy;
pub mod mail;
pub mod rtt;
pub mod rumor;
pub mod tree;

use serde::{Deserialize, Serialize};

/// The ways to spread a new entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Tree rumor: about one copy per member, logarithmic depth.
    #[default]
    Tree,
    /// Rumor mongering: periodic, random, stops by a rule (SIR).
    Rumor,
    /// Direct mail: the writer sends to everyone and retransmits.
    DirectMail,
    /// Nothing: anti-entropy alone carries updates (SI).
    None,
}

/// How new entries spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The method.
    pub method: Method,
    /// Settings of the tree rumor.
    pub tree: tree::Config,
    /// Settings of rumor mongering.
    pub rumor: rumor::Config,
    /// Settings of direct mail.
    pub mail: mail::Config,
}
