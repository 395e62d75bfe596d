//! When a pass is made, by whom, and whom it does not wait for.

use super::rounds::{Deed, PATIENCE, Rounds, Site};
use super::{NoPass, NotForgotten, Pass, Run, Stage};
use crate::base::id::NodeId;
use crate::base::time::millis;
use crate::member::rejoin::Rejoin;
use crate::member::{State, Table};
use crate::retain::{Census, Grounds, Standing};
use std::sync::Arc;
use std::time::Duration;

/// How often a node looks whether a pass is due, at most.
const LOOK: Duration = Duration::from_secs(10);

impl Rounds {
    /// Begins a pass over all members, from a random one on. Returns its number. `waive` is an
    /// operator's word that nobody is missing from a first pass, or that of those that the last one
    /// covered nobody is left.
    ///
    /// # Errors
    /// If there can be none now.
    pub fn begin(&mut self, waive: bool, site: &mut Site<'_>) -> Result<(u64, Vec<Deed>), NoPass> {
        let (now, table) = (site.now(), site.table());
        let covered = site.standing.covered().is_some() && !site.standing.is_behind();
        let waive = waive && !covered;
        let silent = site.standing.is_silent() && table.peer_count() > 0;
        if site.standing.is_behind() && !waive || silent {
            return Err(NoPass::Behind);
        }
        if self.run.as_ref().is_some_and(Run::is_under_way) {
            return Err(NoPass::UnderWay);
        }
        if site.standing.has_many_open() {
            return Err(NoPass::Bounds);
        }
        // Who has seeds and has found nobody does not know what there is.
        if table.peer_count() == 0 && !site.rejoin.seeds().is_empty() && !waive {
            return Err(NoPass::Alone);
        }
        let away = members_away(table);
        if !away.is_empty() && !waive {
            return Err(NoPass::Away(away));
        }
        if !waive {
            Self::seeds_found(site.standing, table, site.rejoin)?;
        }
        let pass = self.pass(waive, site);
        let census = Arc::new(Census { waives_all: waive, ..Census::default() });
        let (id, first) = (pass.id, pass.receiver(0).unwrap_or(site.own()));
        self.run = Some(Run {
            pass: id,
            started_ms: now.wall_ms,
            members: pass.order.len(),
            hop: 0,
            hops: pass.hops(),
            stage: Stage::Waiting,
            at: first,
            heard_ms: now.wall_ms,
            order: Arc::clone(&pass.order),
        });
        site.hold.env.stats.ring_begun += 1;
        if first == site.own() {
            site.standing.visit(&pass, &mut site.hold.replica.clock);
            return Ok((id, self.reached(pass, 0, census, site)));
        }
        self.hand_on(pass, 0, census, site);
        Ok((id, Vec::new()))
    }

    fn pass(&self, waive: bool, site: &mut Site<'_>) -> Pass {
        let (now, own) = (site.now(), site.own());
        let present = site.table().members().filter(|member| member.state.is_present());
        let mut order: Vec<NodeId> = present.map(|member| member.id).collect();
        let start = site.hold.env.rng.index(order.len());
        order.rotate_left(start);
        // What is younger is still on its way. The low bits tell apart passes of one millisecond. By
        // the cluster's time: nobody stamps below a horizon, so one ahead would move them all there.
        let before = site.standing.time_ms(now.wall_ms).saturating_sub(self.hidden_ms);
        let low = site.hold.env.rng.below(1 << 16);
        let last = site.standing.horizon().map_or(0, |horizon| horizon.time);
        // Nobody lends itself to a pass that is not above all that came by.
        let last = last.max(site.standing.in_the_way(0).unwrap_or_default()).max(self.above);
        let covered = site.standing.covered().filter(|_| !site.standing.is_behind());
        let after = match waive {
            true => site.standing.horizon(),
            false => covered.map(Pass::to_horizon),
        };
        Pass {
            id: site.hold.env.rng.bits(),
            horizon: (before << 16 | low).max(last.saturating_add(1)),
            after,
            grounds: Grounds::default(),
            started_ms: now.wall_ms,
            by: own,
            order: order.into(),
        }
    }

    /// What the first pass does not reach would be cut off by it: two nodes that have lost their
    /// disks and know nobody but each other must not take themselves for the whole cluster. Their
    /// seeds know better.
    ///
    /// # Errors
    /// [`NoPass::Seeds`] if this node knows of no pass to go on from and waits for its seeds.
    pub fn seeds_found(standing: &Standing, table: &Table, rejoin: &Rejoin) -> Result<(), NoPass> {
        if standing.covered().is_some() && !standing.is_behind() {
            return Ok(());
        }
        let (missing, nameless) = (rejoin.strange_seeds(table), rejoin.nameless());
        match missing.is_empty() && nameless == 0 {
            true => Ok(()),
            false => Err(NoPass::Seeds { missing, nameless }),
        }
    }

    /// Looks whether a pass is due, from time to time. One member makes passes for all: the present
    /// one with the smallest id. Returns who has been dead for so long that it is to be forgotten
    /// first, if that can be; then the pass is begun with [`Rounds::begin_due`].
    #[must_use]
    pub fn look(&mut self, site: &mut Site<'_>) -> Option<Vec<NodeId>> {
        let (now, table, interval) = (site.now(), site.table(), self.config.interval);
        if interval.is_zero() || self.look > now.mono {
            return None;
        }
        let pause = interval.min(LOOK * 16) / 16;
        self.look = now.mono.after(pause.max(Duration::from_millis(50)));
        site.standing.forget_old(now.wall_ms);
        let first = table.members().find(|member| member.state.is_present());
        if first.is_none_or(|first| first.id != table.own())
            || now.mono.since(self.since) < interval
        {
            return None;
        }
        let after = self.config.reap_after;
        let dead = table.not_alive().filter(|member| member.state == State::Dead);
        let long = dead.filter(|member| !after.is_zero() && now.mono.since(member.since) >= after);
        let long: Vec<NodeId> = long.map(|member| member.id).collect();
        // Nobody looks for who is forgotten: the smaller side of a partition goes on looking.
        Some(if sees_most(site.standing, table) { long } else { Vec::new() })
    }

    /// Begins the pass that is due, if there can be one.
    #[must_use]
    pub fn begin_due(&mut self, site: &mut Site<'_>) -> Vec<Deed> {
        let wall_ms = site.hold.wall_ms;
        if let Some(run) = self.run.as_mut().filter(|run| run.is_under_way()) {
            // Whoever held the token may be gone.
            let silent = wall_ms.saturating_sub(run.heard_ms);
            if silent < millis(PATIENCE * 4).max(millis(self.config.interval) / 4) {
                return Vec::new();
            }
            run.stage = Stage::Over;
        }
        self.begin(false, site).map_or_else(|_| Vec::new(), |(_, deeds)| deeds)
    }
}

/// Members that keep passes from being made: they are neither here nor gone for good.
#[must_use]
pub fn members_away(table: &Table) -> Vec<NodeId> {
    table.not_alive().filter(|m| m.state == State::Dead).map(|m| m.id).collect()
}

/// True if a member may be forgotten now, false if it is already: passes do not wait for it any more.
/// Whether they have a majority without it is for them to count.
///
/// # Errors
/// If the member is present or not known.
pub fn may_forget(id: NodeId, table: &Table) -> Result<bool, NotForgotten> {
    match table.get(id).ok_or(NotForgotten::Unknown)?.state {
        State::Alive | State::Suspect => Err(NotForgotten::Present),
        State::Forgotten => Ok(false),
        State::Dead | State::Left => Ok(true),
    }
}

/// True if most of the members of the last pass are alive. Before the first nobody is forgotten: that
/// takes everybody.
fn sees_most(standing: &Standing, table: &Table) -> bool {
    let alive = |id: &&NodeId| table.get(**id).is_some_and(|member| member.state == State::Alive);
    let order = standing.covered().map_or(&[][..], |pass| &pass.order);
    2 * order.iter().filter(alive).count() > order.len()
}
