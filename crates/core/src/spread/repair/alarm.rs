//! The divergence alarm at work: when it looks, and what it leads to.

use super::{Repair, time};
use crate::base::time::millis;
use crate::data::Space;
use crate::reconcile::Flow;
use crate::reconcile::audit::{self, Check, Checked};
use crate::retain::Holding;
use crate::spread::audit::YOUNG;
use crate::wire::Origin;

impl Repair {
    /// Verifies a part of the own replica and asks a member whether it holds the same, if it is
    /// time. `behind` says that this node is being brought back, or collects.
    pub fn begin_audit(&mut self, behind: bool, hold: &mut Holding<'_>) {
        let Some((part, peer)) = self.auditor.poll(hold.env.now, hold.env.table) else { return };
        self.auditor.verify(part, &mut hold.replica.data, hold.env.stats);
        if let Some(peer) = peer.filter(|_| !self.is_excused(behind, hold)) {
            let (settle, wall_ms) = (self.entropy.config().settle, hold.wall_ms);
            let desk = &mut self.desk(Space::Data, peer.gossip, hold);
            self.auditor.question(&peer, settle, wall_ms, desk);
        }
    }

    /// True while it is known why this replica differs from others, or may seem to: what a write
    /// from far ahead has replaced is not known any more to who has restarted since.
    fn is_excused(&self, behind: bool, hold: &Holding<'_>) -> bool {
        let young = hold.wall_ms.saturating_add(millis(YOUNG));
        let ahead = hold.replica.clock.seen() >> 16 > young;
        self.entropy.in_bulk(Space::Data) || behind || ahead
    }

    /// Answers a check.
    pub fn on_check(&self, from: &Origin, check: Check, behind: bool, hold: &mut Holding<'_>) {
        hold.replica.data.advance(hold.wall_ms);
        let excused = self.is_excused(behind, hold);
        let mut desk = self.desk(Space::Data, from.address, hold);
        if desk.is_open() {
            audit::on_check(&mut desk, check, excused);
        }
    }

    /// Takes in what came of a check.
    pub fn on_checked(
        &mut self,
        from: &Origin,
        checked: &Checked,
        behind: bool,
        hold: &mut Holding<'_>,
    ) {
        hold.replica.data.advance(hold.wall_ms);
        let (excused, now) = (self.is_excused(behind, hold), time(hold));
        let desk = &mut self.desk(Space::Data, from.address, hold);
        let different = self.auditor.on_checked(from.peer, checked, excused, now, desk);
        // What repair can see between just these two, it is to mend before the next check.
        if let Some(peer) = hold.env.table.peer(from.peer)
            && different
            && !self.comparisons.is_open(from.peer)
        {
            self.compare_with(&peer, Flow { mine: true, yours: true }, hold);
        }
    }
}
