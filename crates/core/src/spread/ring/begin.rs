//! When a pass is made, by whom, and whom it does not wait for.

use super::rounds::{Deed, PATIENCE, Rounds, Site};
use super::{Config, NoPass, NotForgotten, Pass, Run, Stage};
use crate::base::id::NodeId;
use crate::base::time::{Instant, millis};
use crate::member::rejoin::Rejoin;
use crate::member::{State, Table};
use crate::retain::Standing;
use std::sync::Arc;
use std::time::Duration;

/// Members that all were not covered by a pass begin anew after this long, at least (guess: many
/// times what it takes to be brought back).
const ORPHANED: Duration = Duration::from_secs(30);
/// How often a node looks whether a pass is due, at most.
const LOOK: Duration = Duration::from_secs(10);

impl Rounds {
    /// Begins a pass over all members, from a random one on. Returns its number.
    ///
    /// # Errors
    /// If there can be none now.
    pub fn begin(&mut self, site: &mut Site<'_>) -> Result<(u64, Vec<Deed>), NoPass> {
        let (now, table) = (site.now(), site.table());
        if site.standing.is_behind() && !self.is_orphaned(now.mono) {
            return Err(NoPass::Behind);
        }
        if self.run.as_ref().is_some_and(Run::is_under_way) {
            return Err(NoPass::UnderWay);
        }
        // Who has seeds and has found nobody does not know what there is.
        if table.peer_count() == 0 && !site.rejoin.seeds().is_empty() {
            return Err(NoPass::Alone);
        }
        let away = members_away(table);
        if !away.is_empty() {
            return Err(NoPass::Away(away));
        }
        self.seeds_found(now.mono, site.standing, table, site.rejoin)?;
        let pass = self.pass(site);
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
            return Ok((id, self.reached(pass, 0, site)));
        }
        self.hand_on(pass, 0, site);
        Ok((id, Vec::new()))
    }

    fn pass(&self, site: &mut Site<'_>) -> Pass {
        let (now, own) = (site.now(), site.own());
        let present = site.table().members().filter(|member| member.state.is_present());
        let mut order: Vec<NodeId> = present.map(|member| member.id).collect();
        let start = site.hold.env.rng.index(order.len());
        order.rotate_left(start);
        // What is younger is still on its way. The low bits tell apart passes of one millisecond.
        let before = now.wall_ms.saturating_sub(self.hidden_ms);
        let low = site.hold.env.rng.below(1 << 16);
        let last = site.standing.horizon().map_or(0, |horizon| horizon.time);
        let covered = site.standing.covered().filter(|_| !site.standing.is_behind());
        Pass {
            id: site.hold.env.rng.bits(),
            horizon: (before << 16 | low).max(last + 1),
            after: covered.map(|pass| (pass.horizon, pass.id)),
            started_ms: now.wall_ms,
            by: own,
            order: order.into(),
        }
    }

    /// What the first pass does not reach would be cut off by it: two nodes that have lost their
    /// disks and know nobody but each other must not take themselves for the whole cluster. Their
    /// seeds know better. Not for ever: an address may be wrong.
    ///
    /// # Errors
    /// [`NoPass::Seeds`] if this node knows of no pass to go on from and waits for its seeds.
    pub fn seeds_found(
        &self,
        now: Instant,
        standing: &Standing,
        table: &Table,
        rejoin: &Rejoin,
    ) -> Result<(), NoPass> {
        let first = standing.covered().is_none() || standing.is_behind();
        let wait = match self.config.reap_after {
            Duration::ZERO => Config::default().reap_after,
            after => after.max(ORPHANED),
        };
        if !first || now.since(self.since) >= wait {
            return Ok(());
        }
        let (missing, nameless) = (rejoin.strange_seeds(table), rejoin.nameless());
        match missing.is_empty() && nameless == 0 {
            true => Ok(()),
            false => Err(NoPass::Seeds { missing, nameless }),
        }
    }

    /// True if this node has waited to be brought back for so long, with all members there, that
    /// nobody can be left who could.
    fn is_orphaned(&self, now: Instant) -> bool {
        let after = self.config.reap_after;
        !after.is_zero() && now.since(self.since) >= after.max(ORPHANED)
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
        Some(long.map(|member| member.id).collect())
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
        self.begin(site).map_or_else(|_| Vec::new(), |(_, deeds)| deeds)
    }
}

/// Members that keep passes from being made: they are neither here nor gone for good.
#[must_use]
pub fn members_away(table: &Table) -> Vec<NodeId> {
    table.not_alive().filter(|m| m.state == State::Dead).map(|m| m.id).collect()
}

/// True if a member may be forgotten now, false if it is already. `force` does so even where the
/// members that are here may be the smaller side of a partition.
///
/// # Errors
/// If the member is present or not known, or there is no majority.
pub fn may_forget(
    id: NodeId,
    force: bool,
    standing: &Standing,
    table: &Table,
) -> Result<bool, NotForgotten> {
    let state = table.get(id).ok_or(NotForgotten::Unknown)?.state;
    match state {
        State::Alive | State::Suspect => return Err(NotForgotten::Present),
        State::Forgotten => return Ok(false),
        State::Dead | State::Left => {}
    }
    let (here, of) = majority(standing, table);
    if state == State::Dead && 2 * here <= of && !force {
        return Err(NotForgotten::Minority { here, of });
    }
    Ok(true)
}

/// How many of the members that count are here, and how many count: those of the last pass, or
/// all that are known. Only who has said goodbye does not; the forgotten do until a pass has
/// been made without them, or those away could be forgotten one by one.
fn majority(standing: &Standing, table: &Table) -> (usize, usize) {
    let state = |id: NodeId| table.get(id).map_or(State::Left, |member| member.state);
    let ids: Vec<NodeId> = match standing.covered() {
        Some(pass) => pass.order.to_vec(),
        None => table.members().map(|member| member.id).collect(),
    };
    let alive = ids.iter().filter(|id| state(**id) == State::Alive).count();
    let left = ids.iter().filter(|id| state(**id) == State::Left).count();
    (alive, ids.len() - left)
}
