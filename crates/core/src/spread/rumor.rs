//! Rumor mongering.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which contacts can make a node lose interest in a rumor (Demers et al. 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// Every one: receivers do not answer.
    Blind,
    /// Only one with a node that already knew: receivers answer what they knew.
    Feedback,
}

/// How such contacts add up (Demers et al. 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// Lose interest with probability 1/k at each.
    Coin,
    /// Lose interest after k of them. Blind: after k periods. Feedback: after k in a row, since a
    /// contact that was needed resets the counter.
    Counter,
}

/// Settings of rumor mongering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often hot rumors are sent. Source: the field's texts use 1 s.
    #[serde(with = "text")]
    pub period: Duration,
    /// Members that get a rumor each period, 1 or more. Source: the field's texts use 6.
    pub fanout: usize,
    /// Whether receivers answer.
    pub contact: Contact,
    /// The stop rule.
    pub stop: Stop,
    /// The rule's k, 1 or more. With blind and counter a rumor goes to k x fan-out members from
    /// each that hears it and misses about e^(-k x fan-out) of them (guess: 2).
    pub k: u32,
    /// Rumors kept hot at once; over that the oldest stop early, and are counted (guess).
    pub max_hot: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(1),
            fanout: 6,
            contact: Contact::Blind,
            stop: Stop::Counter,
            k: 2,
            max_hot: 10_000,
        }
    }
}
