//! What makes an epidemic.

use super::topology::count;
use clap::{Args, ValueEnum};
use rumormill_sim::epidemic::{Contact, Method, Stop};

/// What makes an epidemic. All are optional, so that one can tell what was asked for.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Epidemic")]
pub struct SettingsArgs {
    /// Nodes: 1000, 1_000_000 or 1e6 [default: 1000, or what --topology FILE says].
    #[arg(long, value_name = "N", value_parser = count)]
    pub nodes: Option<usize>,
    /// How the news spreads [default: rumor].
    #[arg(long, value_name = "METHOD")]
    pub method: Option<MethodArg>,
    /// Who gives whom (rumor, anti-entropy, combined) [default: push].
    #[arg(long, value_name = "CONTACT")]
    pub contact: Option<ContactArg>,
    /// Different partners that a node calls in a round; for a tree, parts of a range [default: 1;
    /// tree: 2].
    #[arg(long, value_name = "F", value_parser = count)]
    pub fanout: Option<usize>,
    /// When a node loses interest (rumor, combined) [default: counter].
    #[arg(long, help_heading = "Loss of interest", value_name = "RULE")]
    pub stop: Option<StopArg>,
    /// Coin: interest is lost with probability 1/k. Counter: after k calls in vain [default: 1].
    #[arg(long, help_heading = "Loss of interest", value_name = "K")]
    pub k: Option<u32>,
    /// Only calls to nodes that already knew make a node lose interest (the default).
    #[arg(long, help_heading = "Loss of interest", conflicts_with = "blind")]
    pub feedback: bool,
    /// Every call does, whatever the other knew.
    #[arg(long, help_heading = "Loss of interest")]
    pub blind: bool,
    /// If both know already, only the smaller counter goes up (push-pull, counter).
    #[arg(long, help_heading = "Loss of interest")]
    pub minimization: bool,
    /// The median-counter rule of Karp et al. instead of --stop (push-pull).
    #[arg(long, help_heading = "Loss of interest")]
    pub median_counter: bool,
    /// Calls that a node accepts in a round; the rest are refused.
    #[arg(long, help_heading = "Choice of partners", value_name = "C")]
    pub connection_limit: Option<u32>,
    /// Others that a refused node tries in the same round.
    #[arg(long, help_heading = "Choice of partners", value_name = "H")]
    pub hunt: Option<u32>,
    /// A node never sends to the same node twice.
    #[arg(long, help_heading = "Choice of partners")]
    pub never_repeat: bool,
    /// A node never sends to the node that it has the news from.
    #[arg(long, help_heading = "Choice of partners")]
    pub no_return: bool,
    /// Probability that a message is lost.
    #[arg(long, help_heading = "Faults", value_name = "P", value_parser = probability)]
    pub loss: Option<f64>,
    /// Share of the nodes that are down and unnoticed.
    #[arg(long, help_heading = "Faults", value_name = "P", value_parser = probability)]
    pub crash: Option<f64>,
    /// Nodes that know at the start [default: 1].
    #[arg(long, value_name = "K", value_parser = count)]
    pub start: Option<usize>,
    /// Direct mail: how often a letter is sent again that was not acknowledged [default: 0].
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Partners by distance: one at distance d is called with a probability that falls about as
    /// d^-A per dimension of the network (Demers et al.) [default: all alike].
    #[arg(long, help_heading = "Choice of partners", value_name = "A")]
    pub spatial: Option<f64>,
    /// End a trial after this many rounds, come what may [default: 10000].
    #[arg(long, value_name = "N")]
    pub max_rounds: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// Rumor mongering: tell until you lose interest.
    Rumor,
    /// Compare with somebody in every round, for ever.
    AntiEntropy,
    /// The writer tells everyone, once.
    DirectMail,
    /// Each receiver tells its part of the members.
    Tree,
    /// From neighbour to neighbour, twice round.
    Ring,
    /// Rumor mongering, then anti-entropy for the residue.
    Combined,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Rumor => Self::Rumor,
            MethodArg::AntiEntropy => Self::AntiEntropy,
            MethodArg::DirectMail => Self::DirectMail,
            MethodArg::Tree => Self::Tree,
            MethodArg::Ring => Self::Ring,
            MethodArg::Combined => Self::Combined,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ContactArg {
    /// Infective nodes call and give.
    Push,
    /// Every node calls and asks.
    Pull,
    /// Every node calls; news goes whichever way it is lacking.
    PushPull,
}

impl From<ContactArg> for Contact {
    fn from(contact: ContactArg) -> Self {
        match contact {
            ContactArg::Push => Self::Push,
            ContactArg::Pull => Self::Pull,
            ContactArg::PushPull => Self::PushPull,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StopArg {
    /// Never.
    None,
    /// By chance, with probability 1/k at a call that counts.
    Coin,
    /// After k calls that count.
    Counter,
}

impl From<StopArg> for Stop {
    fn from(stop: StopArg) -> Self {
        match stop {
            StopArg::None => Self::None,
            StopArg::Coin => Self::Coin,
            StopArg::Counter => Self::Counter,
        }
    }
}

/// A probability.
fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    match (0.0..=1.0).contains(&number) {
        true => Ok(number),
        false => Err(format!("{text} is no probability: one is between 0 and 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_shares() {
        assert_eq!(probability("0.25"), Ok(0.25));
        for text in ["-0.1", "1.1", "NaN", "x", "inf"] {
            assert!(probability(text).is_err(), "{text}");
        }
    }
}
