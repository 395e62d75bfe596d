//! Complete passes form one chain: no two of one number, unless an operator has forced one, and one
//! beginning. It is what docs/chain.md proves.

use rumormill_core::retain::Horizon;
use std::collections::BTreeMap;

/// The complete passes that somebody has told of, by chain and number.
#[derive(Clone, Debug, Default)]
pub(crate) struct OneChain {
    passes: BTreeMap<(u64, u32), u64>,
    /// True if a disk was lost: those who knew of the first pass may all be gone.
    forgets: bool,
}

impl OneChain {
    /// A node has lost its disk.
    pub(crate) fn forget(&mut self) {
        self.forgets = true;
    }

    /// A pass is complete, as a node has heard. False if it is of a second chain, begun after a disk
    /// was lost.
    pub(crate) fn complete(&mut self, horizon: Horizon) -> Result<bool, String> {
        // What an operator forces he answers for.
        if horizon.forced > 0 {
            return Ok(true);
        }
        let other = self.passes.keys().find(|(chain, _)| *chain != horizon.chain).copied();
        if let Some((chain, _)) = other.filter(|_| !self.forgets) {
            return Err(format!("{horizon:?} is of another chain than {chain}"));
        }
        let pass = *self.passes.entry((horizon.chain, horizon.number)).or_insert(horizon.pass);
        match pass == horizon.pass {
            true => Ok(other.is_none()),
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
        assert!(chain.complete(pass(5, 1, 10, 0)).is_ok());
        assert!(chain.complete(pass(5, 1, 10, 0)).is_ok());
        assert!(chain.complete(pass(5, 2, 11, 0)).is_ok());
        assert!(chain.complete(pass(5, 2, 12, 1)).is_ok(), "forced");
        assert!(chain.complete(pass(5, 2, 12, 0)).is_err());
        assert!(chain.complete(pass(6, 1, 13, 0)).is_err());
        chain.forget();
        assert_eq!(chain.complete(pass(6, 1, 13, 0)), Ok(false));
        assert!(chain.complete(pass(6, 1, 14, 0)).is_err());
    }
}
