//! What holds of what is known of others' versions.

use super::{Dialects, MAX_FOREIGN, MAX_KNOWN, Versions};

impl Dialects {
    /// Checks what must hold at any time.
    pub(crate) fn check(&self) {
        let (known, foreign) = (self.known.len(), self.foreign.len());
        assert!(known <= MAX_KNOWN, "of {known} addresses is known what they speak");
        assert!(foreign <= MAX_FOREIGN, "{foreign} peers that no version is shared with");
        let first = self.known.values().any(|versions| *versions == Versions::FIRST);
        assert!(!first, "the first version is what an address speaks that is not known");
        let sorted = self.foreign.iter().is_sorted_by_key(|peer| peer.heard);
        assert!(sorted, "foreign peers are not in the order in which they were heard");
        for peer in &self.foreign {
            let shared = self.own.common(peer.speaks);
            assert!(shared.is_none(), "version {shared:?} is shared with {peer:?}");
        }
    }
}
