//! How far a node is with leaving, as it tells of it.

use serde::{Deserialize, Serialize};

/// What a node that leaves or stops has handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// True if it leaves the cluster, false if it only stops.
    pub leaves: bool,
    /// Who asked for it: an address, a signal, the program.
    pub by: String,
    /// True if nothing is waited for: it was in haste.
    pub hasty: bool,
    /// True once all that it had written is known to be held by a majority of the members.
    pub confirmed: bool,
    /// Members that are known to hold it, this node included.
    pub held_by: u64,
    /// Of how many; it takes more than half.
    pub of: u64,
    /// What became of its vote in passes of ring repair: `kept` (it only stops), `open` (not given
    /// yet), `given`, or `nobody` (nobody is there who could take it).
    pub vote: String,
    /// The name of the member that has its vote.
    pub vote_with: Option<String>,
    /// True once there is nothing left to hand over.
    pub done: bool,
    /// What was not handed over, in words.
    pub missing: Vec<String>,
}

impl Handover {
    /// What it comes to, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let held = match (self.confirmed, self.held_by, self.of) {
            (true, ..) => "a majority holds all that it has written".to_owned(),
            (false, _, 0) => "it is not known who holds what it has written".to_owned(),
            (false, held_by, of) => {
                let disks = match held_by * 2 > of {
                    true => ", and their disks are waited for",
                    false => "",
                };
                format!(
                    "{held_by} of {of} members are known to hold all that it has written{disks}"
                )
            }
        };
        let vote = match (self.vote.as_str(), &self.vote_with) {
            ("given", Some(name)) => format!("; {name} has its vote in passes of ring repair"),
            ("open", _) => "; nobody has its vote in passes of ring repair yet".to_owned(),
            ("nobody", _) if self.leaves => {
                "; there was nobody who could take its vote in passes of ring repair".to_owned()
            }
            _ => String::new(),
        };
        format!("{held}{vote}")
    }

    /// Says what is missing.
    pub(crate) fn with_missing(mut self) -> Self {
        self.missing.clear();
        if self.hasty || self.done {
            return self;
        }
        if !self.confirmed {
            let held = match (self.held_by, self.of) {
                (_, 0) => "it is not known who holds its last writes".to_owned(),
                // A comparison counts only when it has had the time to reach the disk.
                (held_by, of) if held_by * 2 > of => format!(
                    "its last writes are held by {held_by} of {of} members, and not yet known to \
                     be on their disks"
                ),
                (held_by, of) => format!(
                    "its last writes are known to be held by {held_by} of {of} members, which is \
                     no majority"
                ),
            };
            self.missing.push(format!(
                "{held}: what only it holds is there again when it is started on its data folder"
            ));
        }
        if self.leaves && self.vote == "open" {
            self.missing.push(
                "nobody has taken its vote in passes of ring repair: they count it as missing \
                 until it is back, or `rumormill forget --force` says that it is gone for good"
                    .to_owned(),
            );
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_handed_over_is_named() {
        let open = Handover {
            leaves: true,
            held_by: 1,
            of: 3,
            vote: "open".into(),
            ..Handover::default()
        };
        let told = open.clone().with_missing();
        assert_eq!(told.missing.len(), 2, "{told:?}");
        assert!(told.missing[0].contains("held by 1 of 3 members"), "{told:?}");
        assert!(told.missing[1].contains("forget --force"), "{told:?}");
        assert!(told.words().starts_with("1 of 3 members are known"), "{}", told.words());
        let held = Handover { held_by: 2, ..open.clone() }.with_missing();
        assert!(held.missing[0].contains("not yet known to be on their disks"), "{held:?}");
        let hasty = Handover { hasty: true, ..open.clone() };
        assert!(hasty.with_missing().missing.is_empty(), "it was not to wait");
        let done = Handover {
            confirmed: true,
            vote: "given".into(),
            vote_with: Some("n1".into()),
            done: true,
            ..open
        };
        assert!(done.clone().with_missing().missing.is_empty());
        assert_eq!(
            done.words(),
            "a majority holds all that it has written; n1 has its vote in passes of ring repair"
        );
    }
}
