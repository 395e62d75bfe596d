//! What holds of the probes between turns: every one ends, and soon.

use super::{LATELY, MAX_JUDGED, MAX_RELAYS, MAX_VERIFY, Prober, VERIFIED_WITHIN};
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Prober {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, own: NodeId, now: Instant) {
        let (score, most) = (self.health.score(), self.config.doubt);
        assert!(score <= most, "doubts of {score}, over {most}");
        assert!(self.next > now, "the next member was to be probed at {:?}", self.next);
        let latest = now.after(self.config.probe_interval.saturating_mul(most + 1));
        assert!(self.next <= latest, "nobody is probed before {:?}", self.next);
        let soon = now.after(VERIFIED_WITHIN);
        let in_time = self.verify.iter().all(|(at, _)| now < *at && *at <= soon);
        assert!(in_time && self.verify.len() <= MAX_VERIFY, "to be verified: {:?}", self.verify);
        let judged = self.missing.front().is_none_or(|(at, _)| now < *at);
        assert!(judged && self.missing.len() <= MAX_JUDGED, "to be judged: {:?}", self.missing);
        assert!(self.lately.len() <= LATELY, "{} were heard lately", self.lately.len());
        let regular = self.probes.iter().filter(|probe| !probe.verifies).count();
        assert!(regular <= 2, "{regular} members are probed in turn at once");
        let patience = self.config.probe_timeout.saturating_mul(2 * (most + 1));
        for probe in &self.probes {
            let (id, number) = (probe.id, probe.number);
            assert!(id != own, "this node probes itself");
            let same = self.probes.iter().filter(|other| other.number == number).count();
            let new = number <= self.number && !self.relays.contains_key(&number);
            assert!(same == 1 && new, "probe {number} of {}: {same} of it", self.number);
            let in_time = now < probe.due && probe.due <= probe.ends;
            assert!(in_time, "the probe of {id} is due at {:?}, ends {:?}", probe.due, probe.ends);
            let latest = now.after(patience);
            let ends = probe.ends;
            assert!(ends <= latest, "the probe of {id} ends at {ends:?}, over {latest:?}");
            let (asked, nacks) = (probe.through.len(), probe.nacks.len());
            let sound = asked <= self.config.indirect_probes && nacks <= asked;
            assert!(sound, "{asked} were asked for {id}, {nacks} of them heard nothing");
            assert!(
                probe.indirect && !probe.verifies || asked == 0,
                "others were asked for {id} before its time"
            );
            assert!(!probe.through.contains(&id), "{id} was asked for itself");
        }
        let relays = self.relays.len();
        assert!(relays <= MAX_RELAYS, "{relays} probes for others");
        for (number, relay) in &self.relays {
            let (due, latest) = (relay.due, now.after(self.relay_time()));
            let in_time = now < due && due <= latest;
            assert!(in_time && *number <= self.number, "probe {number} for another ends {due:?}");
        }
    }
}
