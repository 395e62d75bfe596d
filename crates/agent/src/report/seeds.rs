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

/// A node that is to join others and has met nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alone {
    /// How many addresses and names there are to join by, without this node's own.
    pub seeds: u64,
    /// Those of them that are names which cannot be found.
    pub nameless: u64,
    /// What was found at the addresses.
    pub tried: Vec<SeedTried>,
}

/// An address to join by that does not answer datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedTried {
    /// The address.
    pub address: SocketAddr,
    /// What a stream to it found: `silent`, `refused`, `stranger` (something hangs up on this node's
    /// greeting) or `stream-only` (a member of this cluster that datagrams do not reach).
    pub found: String,
}

impl SeedTried {
    /// True if a member of this cluster is there.
    pub(crate) fn is_member(&self) -> bool {
        self.found == "stream-only"
    }

    fn words(&self) -> &'static str {
        match self.found.as_str() {
            "refused" => "nothing listens there by TCP: a wrong port, or no agent runs there yet",
            "stranger" => {
                "it hangs up on this node: the cluster there has another key or none \
                 (--key-file), or another name (--cluster), or it is no agent's gossip port"
            }
            "stream-only" => {
                "it answers by TCP and not by UDP: a firewall lets only one of the two through, or \
                 it cannot reach this node's address (--advertise)"
            }
            _ => "no answer by UDP or TCP: a wrong address, a firewall, or the machine is down",
        }
    }
}

impl Alone {
    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        match self.seeds {
            1 => "alone: the only seed has not answered".into(),
            seeds => format!("alone: none of {seeds} seeds has answered"),
        }
    }

    /// What is wrong and why that may be, for people. Seeds of which the same was found are told
    /// together.
    #[must_use]
    pub fn warning(&self) -> String {
        let mut causes: Vec<(&'static str, Vec<String>)> = Vec::new();
        for tried in &self.tried {
            let words = tried.words();
            match causes.iter_mut().find(|(known, _)| *known == words) {
                Some((_, addresses)) => addresses.push(tried.address.to_string()),
                None => causes.push((words, vec![tried.address.to_string()])),
            }
        }
        let told = causes.iter().map(|(words, at)| format!("{} ({words})", at.join(", ")));
        let mut told: Vec<String> = told.collect();
        if self.nameless > 0 {
            let s = if self.nameless == 1 { "" } else { "s" };
            told.push(format!("{} name{s} that cannot be looked up", self.nameless));
        }
        format!("{}; they are tried on: {}", self.words(), told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_for_all_seeds_that_have_them() {
        let tried = |port: u16, found: &str| SeedTried {
            address: ([10, 0, 0, 1], port).into(),
            found: found.into(),
        };
        let tried = vec![tried(1, "silent"), tried(2, "refused"), tried(3, "silent")];
        let alone = Alone { seeds: 4, nameless: 1, tried };
        assert_eq!(
            alone.warning(),
            "alone: none of 4 seeds has answered; they are tried on: 10.0.0.1:1, 10.0.0.1:3 (no \
             answer by UDP or TCP: a wrong address, a firewall, or the machine is down); 10.0.0.1:2 \
             (nothing listens there by TCP: a wrong port, or no agent runs there yet); 1 name that \
             cannot be looked up"
        );
    }
}
