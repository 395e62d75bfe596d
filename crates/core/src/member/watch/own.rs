//! What a node says of itself: that it is there, that it is not dead, that it leaves.

use super::{Watch, tell};
use crate::base::id::NodeId;
use crate::data::{Entry, Space, block};
use crate::member::env::Registry;
use crate::member::flight::What;
use crate::member::{Record, State, Table, Tags};
use crate::output::{Class, Via, applied};
use crate::wire::{Outbox, kind};
use std::net::SocketAddr;
use std::sync::Arc;

impl Watch {
    /// Puts this node's own record into its roster; returns the entry.
    pub fn enrol(&self, registry: &mut Registry<'_>) -> Arc<Entry> {
        let state = if self.left { State::Left } else { State::Alive };
        let record = self.identity.record(self.incarnation, state);
        let record = record.speaking(registry.outbox.dialects().own()).doubting(self.in_doubt);
        let entry = registry.replica.keep(record.to_entry());
        let _ = registry.replica.roster.apply(Arc::clone(&entry));
        registry.table.update(&record, &entry, registry.now.mono);
        entry
    }

    /// Says something new of this node to everyone.
    fn announce(&mut self, registry: &mut Registry<'_>) {
        let entry = self.enrol(registry);
        registry.out.push(applied(Space::Roster, &entry, None, None));
        self.news.push(entry);
    }

    /// A user asks to join through these addresses.
    pub fn join(&mut self, seeds: &[SocketAddr], table: &Table, outbox: &mut Outbox) {
        self.rejoin.set_seeds(seeds, 0);
        for seed in seeds {
            self.knock(*seed, table, outbox);
        }
        // Members from before a restart are told of it.
        if let Some(own) = table.get(self.identity.id).map(|own| Arc::clone(own.entry))
            && table.peer_count() > 0
        {
            self.news.push(own);
        }
    }

    /// The addresses to join by are these now: see [`crate::Node::set_seeds`].
    pub fn set_seeds(
        &mut self,
        seeds: &[SocketAddr],
        nameless: usize,
        table: &Table,
        outbox: &mut Outbox,
    ) {
        let new = |seed: &&SocketAddr| {
            let known = table.peers().any(|peer| peer.gossip == **seed);
            !known && !self.rejoin.seeds().contains(seed)
        };
        let new: Vec<SocketAddr> = seeds.iter().filter(new).copied().collect();
        self.rejoin.set_seeds(seeds, nameless);
        if !self.left {
            new.into_iter().for_each(|seed| self.knock(seed, table, outbox));
        }
    }

    /// Asks to be let in by whoever is at an address.
    pub fn knock(&self, to: SocketAddr, table: &Table, outbox: &mut Outbox) {
        let Some(own) = table.get(self.identity.id) else { return };
        if to == self.identity.gossip {
            return;
        }
        let mut body = Vec::with_capacity(96);
        block::Context::default().encode(own.entry, &mut body);
        outbox.push(to, Class::Membership, Via::Datagram, kind::JOIN, &[&body]);
        if table.peer_count() == 0 {
            // It may be that streams get there and datagrams do not.
            outbox.doubt(to);
        }
    }

    /// Changes what this node's operator says of it, and tells everyone.
    pub fn set_tags(&mut self, tags: Tags, registry: &mut Registry<'_>) {
        if tags == self.identity.tags || self.left {
            return;
        }
        self.identity.tags = tags;
        self.incarnation += 1;
        self.announce(registry);
    }

    /// Says whether this node may be an old copy of its disk, and tells everyone if that is new.
    pub fn set_in_doubt(&mut self, in_doubt: bool, registry: &mut Registry<'_>) {
        if in_doubt == self.in_doubt || self.left {
            return;
        }
        self.in_doubt = in_doubt;
        self.incarnation += 1;
        self.announce(registry);
    }

    /// Says goodbye.
    pub fn leave(&mut self, registry: &mut Registry<'_>) {
        if !self.left {
            self.left = true;
            self.announce(registry);
        }
    }

    /// Only this node speaks for itself: it overrules what others say of it.
    pub(super) fn refute(&mut self, record: &Record, registry: &mut Registry<'_>) {
        let (id, now) = (self.identity.id, registry.now);
        let elsewhere = record.gossip != self.identity.gossip;
        // Each of two with one id would overrule the other without end; and others may make up what
        // this node says of itself.
        let may = match record.state {
            State::Alive => self.twin.may_overrule(now.mono),
            _ => self.patience.may_overrule(now.mono),
        };
        registry.stats.twins += u64::from(record.state == State::Alive && elsewhere);
        if !may {
            registry.stats.refutations_held += 1;
            return;
        }
        if record.state == State::Alive && elsewhere {
            self.recorder.record(now.wall_ms, id, What::Twin);
        }
        registry.stats.refutations += 1;
        self.incarnation = record.incarnation.saturating_add(1);
        if record.state != State::Alive {
            self.prober.was_suspected();
            let members = registry.table.peer_count() + 1;
            let by = record.witnesses.iter().filter(|by| registry.table.get(**by).is_some());
            by.for_each(|by| self.reach.was_not_heard_by(*by, members, now.mono));
            let (by, incarnation) = (record.witnesses.clone(), self.incarnation);
            self.recorder.record(now.wall_ms, id, What::Refuted { by, incarnation });
        }
        self.announce(registry);
    }

    /// Whoever still says what this node has refuted already has not heard of it.
    pub(super) fn tell_again(&self, to: NodeId, registry: &mut Registry<'_>) {
        let Some(to) = registry.table.get(to).map(|member| member.gossip()) else { return };
        let Some(own) = registry.table.get(self.identity.id) else { return };
        tell(to, own.entry, registry.outbox);
    }
}
