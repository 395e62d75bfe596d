//! Ring repair, as a node tells of it.

use rumormill_core::spread::ring::{NoPass, NotForgotten};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The latest pass of ring repair that is complete: everyone in it holds what was written before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HorizonInfo {
    /// Up to when, wall milliseconds since 1970.
    pub time_ms: u64,
    /// The pass, 16 hexadecimal digits.
    pub pass: String,
}

/// The last pass that the node began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingRun {
    /// The pass, 16 hexadecimal digits.
    pub pass: String,
    /// Members that it visits.
    pub members: u64,
    /// The hop that was reached.
    pub hop: u32,
    /// Hops in all.
    pub hops: u32,
    /// `reached` (the hop is done), `waiting` (for the member at which it is), `complete`, or `over`
    /// (given up).
    pub stage: String,
    /// The name of the member that the next hop visits, or the last one could not.
    pub at: String,
    /// When it began, wall milliseconds since 1970.
    pub started_ms: u64,
    /// When it was last heard of, wall milliseconds since 1970.
    pub heard_ms: u64,
}

impl RingRun {
    /// True while it goes on.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage.as_str(), "reached" | "waiting")
    }
}

/// What a node knows of passes, and of the tombstones that wait for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStatus {
    /// The latest pass that is complete; `None` before the first.
    pub horizon: Option<HorizonInfo>,
    /// True if the node holds everything up to the horizon. If not, it is being brought back to it.
    pub covered: bool,
    /// The last pass that the node began, if it has begun one.
    pub run: Option<RingRun>,
    /// Tombstones that the node keeps.
    pub tombstones: u64,
    /// The names of the members that passes wait for.
    pub tombstones_held_by: Vec<String>,
    /// Why the last pass that this node began could not be complete; `None` if nothing is known
    /// against the next.
    #[serde(default)]
    pub refused: Option<PassRefused>,
}

/// Why a pass could not be complete: too few of those that must agree were there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassRefused {
    /// `minority`, `founding`, `doubt` or `bounds`.
    pub reason: String,
    /// In words, with what helps.
    pub words: String,
    /// The names of members whose return would help, a few of them.
    pub missing: Vec<String>,
    /// The names of members that do not count, since they were down for long.
    pub doubted: Vec<String>,
    /// The pass of whose members there are too few, 16 hexadecimal digits.
    pub pass: Option<String>,
    /// How many of them are here, or have given their vote to somebody who is.
    pub here: Option<u64>,
    /// Of how many; more than half are needed.
    pub of: Option<u64>,
}

/// No pass was begun.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RepairError {
    /// There can be none now.
    #[error("{reason}{}", away(reason, names))]
    Refused {
        /// Why.
        reason: NoPass,
        /// The names of the members that are away, or which seeds are missing.
        names: Vec<String>,
    },
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

impl RepairError {
    /// In one word: `away`, `behind`, `alone`, `seeds`, `minority`, `founding`, `doubt`, `bounds`,
    /// `under_way`, `left` or `closed`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { reason: NoPass::Away(_), .. } => "away",
            Self::Refused { reason: NoPass::Behind, .. } => "behind",
            Self::Refused { reason: NoPass::UnderWay, .. } => "under_way",
            Self::Refused { reason: NoPass::Left, .. } => "left",
            Self::Refused { reason: NoPass::Alone, .. } => "alone",
            Self::Refused { reason: NoPass::Seeds { .. }, .. } => "seeds",
            Self::Refused { reason: NoPass::Minority { .. }, .. } => "minority",
            Self::Refused { reason: NoPass::Founding { .. }, .. } => "founding",
            Self::Refused { reason: NoPass::Doubt { .. }, .. } => "doubt",
            Self::Refused { reason: NoPass::Bounds, .. } => "bounds",
            Self::Closed => "closed",
        }
    }

    /// The names of the members that are away or missing, or which seeds are.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Refused { names, .. } => names,
            Self::Closed => &[],
        }
    }
}

fn away(reason: &NoPass, names: &[String]) -> String {
    let help = match reason {
        NoPass::Seeds { .. } => {
            "Start what is there, or take what is gone for good out of `join`; `rumormill repair \
             ring --first` makes the first pass without"
        }
        NoPass::Minority { .. } | NoPass::Doubt { .. } => {
            "Start them again; if that is not possible any more, say so of each that is gone for \
             good: `rumormill forget --force NAME`"
        }
        NoPass::Bounds => {
            "Start the members that are away; of each that is gone for good: `rumormill forget \
             --force NAME`"
        }
        NoPass::Founding { .. } => {
            "Start them again; if nobody who is missing holds anything that counts, `rumormill \
             repair ring --first` makes the first pass without them"
        }
        _ => {
            "Start them again, or go on without those that are gone for good: `rumormill forget \
             NAME`"
        }
    };
    match (names, reason) {
        (
            [],
            NoPass::Minority { .. }
            | NoPass::Founding { .. }
            | NoPass::Doubt { .. }
            | NoPass::Bounds,
        ) => {
            format!(". {help}")
        }
        ([], _) => String::new(),
        (_, NoPass::Minority { .. } | NoPass::Founding { .. } | NoPass::Doubt { .. }) => {
            format!("; missing: {}. {help}", names.join(", "))
        }
        _ => format!(": {}. {help}", names.join(", ")),
    }
}

/// A member was not forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgetError {
    /// Nobody goes by that name or id.
    #[error("there is no member {0:?}; `rumormill members --all` lists them")]
    Unknown(String),
    /// It cannot be forgotten now.
    #[error("{who:?} is not forgotten: {reason}{}", force(*reason))]
    Refused {
        /// The name or id.
        who: String,
        /// Why.
        reason: NotForgotten,
    },
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

impl ForgetError {
    /// True if the member is there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        matches!(self, Self::Refused { reason: NotForgotten::Present, .. })
    }
}

fn force(reason: NotForgotten) -> &'static str {
    match reason {
        NotForgotten::Minority { .. } => ". If they are gone for good, force it (--force)",
        NotForgotten::Unknown | NotForgotten::Present => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;

    #[test]
    fn errors_say_who_is_away_and_what_to_do() {
        let reason = NoPass::Away(vec![NodeId(1), NodeId(2)]);
        let names = vec!["b".to_owned(), "c".to_owned()];
        let error = RepairError::Refused { reason, names };
        assert!(error.to_string().contains("waits for them: b, c. Start"), "{error}");
        assert_eq!((error.reason(), error.names().len()), ("away", 2));
        let error = RepairError::Refused { reason: NoPass::UnderWay, names: Vec::new() };
        assert_eq!(error.to_string(), NoPass::UnderWay.to_string());
        let missing = vec![NodeId(2)];
        let names = || vec!["c".to_owned()];
        let reason = NoPass::Minority { pass: 7, here: 1, of: 3, missing: missing.clone() };
        let error = RepairError::Refused { reason, names: names() };
        let words = error.to_string();
        assert!(words.starts_with("only 1 of 3 members") && words.contains("missing: c. Start"));
        assert!(words.ends_with("`rumormill forget --force NAME`"), "{words}");
        let reason = NoPass::Founding { missing: missing.clone() };
        let error = RepairError::Refused { reason, names: names() };
        assert!(error.to_string().contains("`rumormill repair ring --first`"), "{error}");
        let reason = NoPass::Doubt { doubted: vec![NodeId(1)], missing };
        let error = RepairError::Refused { reason, names: names() };
        assert_eq!((error.reason(), error.names().len()), ("doubt", 1));
        let reason = NotForgotten::Minority { here: 1, of: 3 };
        let error = ForgetError::Refused { who: "c".into(), reason }.to_string();
        assert!(error.contains("only 1 of 3") && error.ends_with("(--force)"), "{error}");
    }
}
