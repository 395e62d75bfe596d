//! When a pass is made, by whom, and whom it does not wait for.

use super::rounds::{Deed, PATIENCE, Rounds, Site};
use super::{Config, NoPass, NotForgotten, Pass, Run, Stage};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::time::millis;
use crate::member::rejoin::Rejoin;
use crate::member::{Member, State, Table};
use crate::retain::{Census, Grounds, Standing};
use std::sync::Arc;
use std::time::Duration;

/// How often a node looks whether a pass is due, at most.
const LOOK: Duration = Duration::from_secs(10);
/// Members that are forgotten at once, at most: more the next time.
const MAX_REAPED: usize = 256;

impl Rounds {
    /// Begins a pass over all members, from a random one on. Returns its number. `waive` is an
    /// operator's word that nobody is missing from a first pass, or that of those that the last one
    /// covered nobody is left.
    ///
    /// # Errors
    /// If there can be none now.
    pub fn begin(&mut self, waive: bool, site: &mut Site<'_>) -> Result<(u64, Vec<Deed>), NoPass> {
        self.begin_with(waive, Duration::ZERO, site)
    }

    /// The same with those who have been there for so long.
    fn begin_with(
        &mut self,
        waive: bool,
        joined: Duration,
        site: &mut Site<'_>,
    ) -> Result<(u64, Vec<Deed>), NoPass> {
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
        let away = members_away(site.standing, table);
        if !away.is_empty() && !waive {
            return Err(NoPass::Away(away));
        }
        if !waive {
            Self::seeds_found(site.standing, table, site.rejoin)?;
        }
        let pass = self.pass(waive, joined, site);
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

    fn pass(&self, waive: bool, joined: Duration, site: &mut Site<'_>) -> Pass {
        let (now, own) = (site.now(), site.own());
        let mut order = Self::listed(waive, joined, site);
        let voteless = voteless(&order, site.table());
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
            voteless,
        }
    }

    /// Who is to be visited, in the order of ids: all members of the link that are there, and who else
    /// has been for a while. Who has just come may be gone again before the token is there; it is
    /// covered by the next one, and brought back until then.
    fn listed(waive: bool, joined: Duration, site: &Site<'_>) -> Vec<NodeId> {
        let link: Option<Set<NodeId>> =
            link_of(site.standing).map(|pass| pass.order.iter().copied().collect());
        let (now, own) = (site.now().mono, site.own());
        let fits = |member: &Member<'_>| match &link {
            Some(link) if !waive => {
                link.contains(&member.id)
                    || member.id == own
                    || now.since(member.since) >= joined
                        && (joined.is_zero() || member.state == State::Alive)
            }
            _ => true,
        };
        let present = site.table().members().filter(|member| member.state.is_present());
        present.filter(fits).map(|member| member.id).collect()
    }

    /// How long after the last pass the next one is due.
    fn due_after(&self, site: &Site<'_>) -> Duration {
        let Some(link) = site.standing.covered() else {
            // Who has met nobody may be about to join others that have a chain.
            let soon = self.fresh && site.table().peer_count() > 0;
            return if soon { self.config.founded() } else { self.config.interval };
        };
        let listed: Set<NodeId> = link.order.iter().copied().collect();
        let now = Self::listed(false, self.config.joined(), site);
        let known = now.iter().filter(|id| listed.contains(*id)).count();
        match known == listed.len() && known == now.len() {
            true => self.config.interval,
            false => self.config.changed(2 * known < now.len()),
        }
    }

    /// True if this node makes passes for all: of the members of the link that are there, or of all
    /// before the first pass, it has the smallest id.
    fn leads(site: &Site<'_>) -> bool {
        let (standing, table) = (&*site.standing, site.table());
        let there = |id: NodeId| table.get(id).is_some_and(|member| member.state.is_present());
        let first = match link_of(standing) {
            Some(link) => link.order.iter().copied().filter(|id| there(*id)).min(),
            None => table.members().find(|m| m.state.is_present()).map(|member| member.id),
        };
        first == Some(table.own())
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
        let soon = self.fresh && site.standing.covered().is_none();
        let most = if soon { self.config.founded() } else { LOOK };
        let pause = interval.min(most * 16) / 16;
        self.look = now.mono.after(pause.max(Duration::from_millis(50)));
        site.standing.forget_old(now.wall_ms);
        if !Self::leads(site) {
            return None;
        }
        // Nobody looks for who is forgotten: the smaller side of a partition goes on looking.
        let long = match sees_most(site.standing, table) {
            true => self.long_dead(site),
            false => Vec::new(),
        };
        let due = now.mono.since(self.since) >= self.due_after(site);
        (due || !long.is_empty()).then_some(long)
    }

    /// Who has been dead for so long that nobody waits for it any more, the first of them.
    fn long_dead(&self, site: &Site<'_>) -> Vec<NodeId> {
        let (now, link) = (site.now().mono, link_of(site.standing));
        let Config { reap_after, reap_ephemeral, .. } = self.config;
        let listed: Set<NodeId> = link.into_iter().flat_map(|l| l.order.iter().copied()).collect();
        let dead = site.table().not_alive().filter(|member| member.state == State::Dead);
        let long = dead.filter(|member| {
            let past = listed.contains(&member.id) && !member.is_ephemeral();
            let after = if past { reap_after } else { reap_ephemeral.min(reap_after) };
            !after.is_zero() && now.since(member.since) >= after
        });
        long.map(|member| member.id).take(MAX_REAPED).collect()
    }

    /// Begins the pass that is due, if there can be one.
    #[must_use]
    pub fn begin_due(&mut self, site: &mut Site<'_>) -> Vec<Deed> {
        let due = site.now().mono.since(self.since) >= self.due_after(site);
        if !due || !site.standing.trusts_clock() {
            return Vec::new();
        }
        let wall_ms = site.hold.wall_ms;
        if let Some(run) = self.run.as_mut().filter(|run| run.is_under_way()) {
            // Whoever held the token may be gone.
            let silent = wall_ms.saturating_sub(run.heard_ms);
            if silent < millis(PATIENCE * 4).max(millis(self.config.interval) / 4) {
                return Vec::new();
            }
            run.stage = Stage::Over;
        }
        let joined = self.config.joined();
        self.begin_with(false, joined, site).map_or_else(|_| Vec::new(), |(_, deeds)| deeds)
    }
}

/// The latest pass, if it has covered this node.
fn link_of(standing: &Standing) -> Option<&Pass> {
    standing.covered().filter(|_| !standing.is_behind())
}

/// Who of an order has no vote in the pass after it: who never comes back, if others do.
fn voteless(order: &[NodeId], table: &Table) -> Arc<[NodeId]> {
    let passes = |id: &&NodeId| table.get(**id).is_some_and(|member| member.is_ephemeral());
    let ephemeral: Vec<NodeId> = order.iter().filter(passes).copied().collect();
    if ephemeral.len() < order.len() { ephemeral.into() } else { [].into() }
}

/// Members that keep passes from being made: they are neither here nor gone for good. Whom the last
/// pass has not covered it need not wait for: it is brought back should it return. Nor for who never
/// comes back with old data; before the first pass, if there are others.
#[must_use]
pub fn members_away(standing: &Standing, table: &Table) -> Vec<NodeId> {
    let dead = table.not_alive().filter(|m| m.state == State::Dead);
    let waits = |member: &Member<'_>| match link_of(standing) {
        Some(link) => link.lists(member.id) && !member.is_ephemeral(),
        None => !member.is_ephemeral() || is_passing(table),
    };
    dead.filter(waits).map(|m| m.id).collect()
}

/// True if nobody who is there comes back with old data.
fn is_passing(table: &Table) -> bool {
    let mut present = table.members().filter(|member| member.state.is_present());
    present.all(|member| member.is_ephemeral())
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
    let voters = standing.covered().map(Pass::voters).unwrap_or_default();
    2 * voters.iter().filter(alive).count() > voters.len()
}
