//! What holds of the budgets: the account of every bucket adds up, and what waits is bounded.

use super::{BURST, Bucket, Budgets, MAX_WALKS, TOKENS};
use crate::base::check::Depth;
use crate::output::Class;
use crate::stats::Stats;

impl Budgets {
    /// Checks what must hold after the time was let pass; `stats` are those that have counted what
    /// left from the beginning on.
    pub(crate) fn check(&self, stats: &Stats, depth: Depth) {
        let micros = self.now.0.saturating_sub(self.begun.0);
        for (class, bucket, sent) in [
            (Class::Membership, &self.membership, stats.sent_membership_bytes),
            (Class::Updates, &self.updates, stats.sent_update_bytes),
            (Class::Repair, &self.repair, stats.sent_repair_bytes),
        ] {
            bucket.check_account(class, micros, sent);
            if !depth.is_glance() {
                bucket.check_held(class);
            }
        }
    }
}

impl Bucket {
    fn check_account(&self, class: Class, micros: u64, sent: u64) {
        let (held, rate, tokens) = (self.held.len(), self.rate, self.tokens);
        if rate == 0 {
            assert_eq!(held, 0, "packets wait in {class:?}, which has no bound");
            return;
        }
        assert!(
            held == 0 || tokens <= 0,
            "{held} packets of {class:?} wait beside {tokens} tokens"
        );
        assert!(tokens <= self.most(), "{tokens} tokens in {class:?}, over {}", self.most());
        let came = i128::from(self.most()) + i128::from(micros) * i128::from(rate);
        let left = i128::from(sent) * i128::from(TOKENS) + self.spilled;
        assert_eq!(
            came - left,
            i128::from(tokens),
            "tokens of {class:?} that should be left after {sent} bytes, and those that are"
        );
    }

    fn check_held(&self, class: Class) {
        let (bytes, rate) = (self.held_bytes, self.rate);
        let waiting: u64 = self.held.iter().map(|parcel| parcel.len()).sum();
        assert_eq!(bytes, waiting, "bytes that wait in {class:?}, as counted and as they are");
        let strange = self.held.iter().filter(|parcel| parcel.send.class != class).count();
        assert_eq!(strange, 0, "packets of other classes in {class:?}");
        let walks = self.walks();
        assert!(walks <= MAX_WALKS, "{walks} steps of walks wait in {class:?}");
        let others = || self.held.iter().filter(|parcel| !parcel.walks);
        let (held, bytes) = (others().count(), others().map(|parcel| parcel.len()).sum::<u64>());
        let bounded = held <= 1 || bytes <= rate / BURST;
        assert!(bounded, "{bytes} bytes in {held} packets wait in {class:?} at {rate} a second");
    }
}
