//! How anti-entropy and reconciliation are joined to a node.

use super::Node;
use crate::base::id::NodeId;
use crate::base::time::{Now, millis};
use crate::data::{Cut, Digest, Space};
use crate::message::kind;
use crate::output::{Class, Output, Via};
use crate::reconcile::checksum::{self, Items, Opening, Split, Want};
use crate::reconcile::full::{self, Piece, Pull};
use crate::reconcile::{Desk, Flow};
use crate::spread::Method;
use crate::spread::entropy::{Compare, Entropy};
use std::net::SocketAddr;

impl Node {
    /// Begins an exchange if it is time.
    pub(super) fn begin_repair(&mut self, now: Now) {
        let (peer, stalled) = self.entropy.poll(now.mono, self.table.peers(), &mut self.rng);
        self.stats.bulk_stalled += u64::from(stalled);
        let Some(peer) = peer else { return };
        self.stats.repair_sessions += 1;
        let flow = self.entropy.config().direction.flow();
        if self.entropy.config().compare == Compare::Checksum {
            return self.open(peer.gossip, flow, false, now);
        }
        for space in Space::ALL {
            let mut desk = self.desk(space, peer.gossip, now);
            if flow.yours {
                full::pull(&mut desk, flow.mine, false, 0, Via::Datagram);
            } else {
                full::send(&mut desk, false, true, 0);
            }
        }
    }

    /// Sends the digests of both maps.
    pub(super) fn open(&mut self, to: SocketAddr, flow: Flow, answer: bool, now: Now) {
        let cut = Cut::at(now.wall_ms.saturating_sub(self.settle_ms()));
        let data = self.data.digest_at(cut).unwrap_or_else(|| self.data.digest());
        let opening = Opening { flow, answer, cut, data, roster: self.roster.digest() };
        self.outbox.push(to, Class::Repair, Via::Datagram, kind::DIGEST, &[&opening.encode()]);
    }

    /// Where nothing else carries updates, there is nothing to wait for.
    fn settle_ms(&self) -> u64 {
        match self.config.spread.method {
            Method::None => 0,
            _ => millis(self.config.repair.settle),
        }
    }

    fn desk(&mut self, space: Space, to: SocketAddr, now: Now) -> Desk<'_> {
        let settle = self.settle_ms();
        Desk {
            map: match space {
                Space::Data => &self.data,
                Space::Roster => &self.roster,
            },
            space,
            to,
            young_from: now.wall_ms.saturating_sub(settle),
            young_until: now.wall_ms.saturating_add(settle),
            piece_bytes: self.config.repair.piece_bytes,
            limits: &self.config.limits,
            outbox: &mut self.outbox,
            stats: &mut self.stats,
        }
    }

    pub(super) fn on_opening(
        &mut self,
        sender: NodeId,
        from: SocketAddr,
        opening: &Opening,
        now: Now,
    ) {
        self.data.advance(now.wall_ms);
        let data = self.data.digest_at(opening.cut).unwrap_or_else(|| self.data.digest());
        let mut equal = true;
        for (space, mine, theirs) in [
            (Space::Data, data, opening.data),
            (Space::Roster, self.roster.digest(), opening.roster),
        ] {
            if mine != theirs {
                equal = false;
                self.on_difference(sender, from, opening, space, mine, theirs, now);
            }
        }
        self.stats.repair_equal += u64::from(equal);
    }

    #[expect(clippy::too_many_arguments)]
    fn on_difference(
        &mut self,
        sender: NodeId,
        from: SocketAddr,
        opening: &Opening,
        space: Space,
        mine: Digest,
        theirs: Digest,
        now: Now,
    ) {
        self.entropy.stir(now.mono, &mut self.rng);
        if self.entropy.in_bulk(space) {
            return;
        }
        let flow = opening.flow.flip();
        if Entropy::wants_bulk(mine.count, theirs.count) {
            if flow.yours
                && let Some(at) = self.entropy.begin_bulk(sender, from, space, now.mono)
            {
                full::pull(&mut self.desk(space, from, now), false, false, at, Via::Stream);
            }
        } else if Entropy::wants_bulk(theirs.count, mine.count) && flow.mine {
            if !opening.answer {
                self.open(from, flow, true, now);
            }
        } else if !opening.answer
            && let Some(mut desk) = self.open_desk(space, from, now)
        {
            checksum::begin(&mut desk, flow, theirs.count);
        }
    }

    /// The desk for a request; `None` if the peer has been sent enough for this turn.
    fn open_desk(&mut self, space: Space, from: SocketAddr, now: Now) -> Option<Desk<'_>> {
        let desk = self.desk(space, from, now);
        if desk.budget() == 0 {
            desk.stats.repair_shed += 1;
            return None;
        }
        Some(desk)
    }

    pub(super) fn on_split(&mut self, from: SocketAddr, split: &Split, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(split.space, from, now) {
            checksum::on_split(&mut desk, split);
        }
    }

    pub(super) fn on_items(&mut self, from: SocketAddr, items: &Items, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(items.space, from, now) {
            checksum::on_items(&mut desk, items);
        }
    }

    pub(super) fn on_want(&mut self, from: SocketAddr, want: &Want, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(want.space, from, now) {
            checksum::on_want(&mut desk, want);
        }
    }

    fn stir_and_progress(&mut self, now: Now) {
        self.entropy.stir(now.mono, &mut self.rng);
        self.entropy.progress(now.mono);
    }

    pub(super) fn on_pull(&mut self, from: SocketAddr, pull: Pull, now: Now) {
        if let Some(mut desk) = self.open_desk(pull.space, from, now) {
            full::send(&mut desk, pull.back, pull.pushed, pull.from);
        }
    }

    pub(super) fn on_piece(
        &mut self,
        sender: NodeId,
        from: SocketAddr,
        mut piece: Piece,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let entries = std::mem::take(&mut piece.entries);
        let shown = if piece.back { entries.clone() } else { Vec::new() };
        self.take_in(piece.space, entries, sender, now, out);
        if piece.back {
            piece.entries = shown;
            full::send_missing(&mut self.desk(piece.space, from, now), &piece);
        }
        let bulk = self.entropy.bulk().is_some_and(|bulk| bulk.peer == sender);
        if bulk && !piece.pushed {
            self.stats.bulk_pieces += 1;
            self.entropy.progress(now.mono);
            if let Some(at) = self.entropy.advance_bulk(sender, piece.space, piece.next, now.mono) {
                full::pull(&mut self.desk(piece.space, from, now), false, false, at, Via::Stream);
            }
        } else if let Some(at) = piece.next
            && (piece.pushed || self.entropy.config().compare == Compare::Full)
        {
            self.entropy.progress(now.mono);
            let mut desk = self.desk(piece.space, from, now);
            full::pull(&mut desk, piece.back, piece.pushed, at, Via::Stream);
        }
    }
}
