//! Complete passes form one chain: no two of one number, unless an operator has forced one, and one
//! beginning. It is what docs/chain.md proves.

use rumormill_core::retain::Horizon;
use std::collections::{BTreeMap, BTreeSet};

/// A complete pass, and who has heard that it is.
#[derive(Clone, Debug)]
struct Told {
    pass: u64,
    heard: BTreeSet<usize>,
}

/// The complete passes that somebody has told of, by chain and number.
#[derive(Clone, Debug, Default)]
pub(crate) struct OneChain {
    passes: BTreeMap<(u64, u32), Told>,
    /// True if a disk was lost: those who knew of the first pass may all be gone.
    forgets: bool,
}

impl OneChain {
    /// A node has lost its disk.
    pub(crate) fn forget(&mut self) {
        self.forgets = true;
    }

    /// What a node has heard of a pass is taken back with what its disk had not yet taken. If nobody else
    /// has heard that, it was held back for that disk: the pass is as open as for those who accepted it.
    pub(crate) fn take_back(&mut self, node: usize, horizon: Horizon) {
        let place = (horizon.chain, horizon.number);
        let Some(told) = self.passes.get_mut(&place).filter(|told| told.pass == horizon.pass)
        else {
            return;
        };
        told.heard.remove(&node);
        if told.heard.is_empty() {
            self.passes.remove(&place);
        }
    }

    /// A pass is complete, as a node has heard. False if it is of a second chain, begun after a disk
    /// was lost.
    pub(crate) fn complete(&mut self, node: usize, horizon: Horizon) -> Result<bool, String> {
        // What an operator forces he answers for.
        if horizon.forced > 0 {
            return Ok(true);
        }
        let other = self.passes.keys().find(|(chain, _)| *chain != horizon.chain).copied();
        if let Some((chain, _)) = other.filter(|_| !self.forgets) {
            return Err(format!("{horizon:?} is of another chain than {chain}"));
        }
        let told = self
            .passes
            .entry((horizon.chain, horizon.number))
            .or_insert_with(|| Told { pass: horizon.pass, heard: BTreeSet::new() });
        let pass = told.pass;
        match pass == horizon.pass {
            true => {
                told.heard.insert(node);
                Ok(other.is_none())
            }
            false => Err(format!("{horizon:?} is complete, and so is pass {pass:016x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_number_are_a_fork_and_so_are_two_beginnings() {
        let pass = |chain, number, pass, forced| Horizon { time: 9, pass, chain, forced, number };
        let mut chain = OneChain::default();
        assert!(chain.complete(0, pass(5, 1, 10, 0)).is_ok());
        assert!(chain.complete(0, pass(5, 1, 10, 0)).is_ok());
        assert!(chain.complete(0, pass(5, 2, 11, 0)).is_ok());
        assert!(chain.complete(0, pass(5, 2, 12, 1)).is_ok(), "forced");
        assert!(chain.complete(0, pass(5, 2, 12, 0)).is_err());
        assert!(chain.complete(0, pass(6, 1, 13, 0)).is_err());
        chain.forget();
        assert_eq!(chain.complete(0, pass(6, 1, 13, 0)), Ok(false));
        assert!(chain.complete(0, pass(6, 1, 14, 0)).is_err());
    }

    #[test]
    fn what_only_a_disk_that_failed_was_told_is_as_if_nobody_had_said_it() {
        let pass = |pass| Horizon { time: 9, pass, chain: 5, forced: 0, number: 2 };
        for others in [false, true] {
            let mut chain = OneChain::default();
            chain.complete(1, pass(10)).unwrap();
            if others {
                chain.complete(2, pass(10)).unwrap();
            }
            chain.take_back(1, pass(10));
            assert_eq!(chain.complete(0, pass(11)).is_err(), others);
        }
    }
}
