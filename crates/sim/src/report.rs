//! What came of a run, in figures. Every key is explained where it stands.

use crate::checkers::Violation;
use crate::delivery::Delivery;
use crate::traffic::Traffic;
use crate::world::World;
use rumormill_core::data::Cut;
use rumormill_core::output::Class;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of one run. They begin where its warm-up ends.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Nodes, up or down.
    pub nodes: usize,
    /// The seed: with it and the same settings everything happens again.
    pub seed: u64,
    /// Virtual time from the start of the world to the end, in milliseconds.
    pub virtual_ms: f64,
    /// Virtual time that the figures are of, in milliseconds: the load and the settling.
    pub measured_ms: f64,
    /// Real time that the run took, in milliseconds: the only figure that a seed does not repeat.
    pub wall_ms: u64,
    /// Events: wake-ups, arrivals, writes, faults.
    pub events: u64,
    /// True if at the end all live nodes held the same data and the same roster.
    pub converged: bool,
    /// Different digests of the data among the live nodes at the end.
    pub digests: usize,
    /// How long after the load and the last fault everything agreed, in milliseconds.
    pub settle_ms: Option<f64>,
    /// True if the run was ended before its time.
    pub interrupted: bool,
    /// Writes that nodes acknowledged.
    pub writes: usize,
    /// How often a node other than the writer came to hold a write.
    pub delivered: usize,
    /// Deliveries if every node had held every write.
    pub deliveries_possible: usize,
    /// Time from a write to each of its deliveries.
    pub delivery_ms: DeliveryMs,
    /// Copies of an update that a node received, by any way, on average over updates and nodes.
    pub copies_per_node: f64,
    /// Payload bytes sent.
    pub bytes: Bytes,
    /// What of it crossed the borders between zones; null where there are none.
    pub cross_zone: Option<CrossZone>,
    /// Messages (datagrams and frames) sent per node and second.
    pub messages_per_node_per_second: f64,
    /// Bytes sent in updates and repair, over what had to be delivered: deliveries times the bytes
    /// of key and value.
    pub amplification: Option<f64>,
    /// How long crashes stayed unnoticed.
    pub detection_ms: Detection,
    /// How often a node declared a member dead that ran and that it could reach.
    pub false_positives: u64,
    /// What became of deletions.
    pub tombstones: Tombstones,
    /// Entries that nodes kept aside at the end, on all disks: nothing proved what is right.
    pub strays: usize,
    /// Everything that was dropped or refused for lack of room or trust, by its counter.
    pub shed: BTreeMap<&'static str, u64>,
    /// Properties that did not hold. A run ends with the first.
    pub violations: Vec<Found>,
    /// How many deliveries took how long: milliseconds and the share of all that were possible.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
    /// What went on over time.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    /// Faults: seconds of measured time and what happened.
    #[serde(skip)]
    pub faults: Vec<(f64, String)>,
}

/// Milliseconds until writes were delivered; null if nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DeliveryMs {
    /// Half of the deliveries took no longer.
    pub p50: Option<f64>,
    /// Of a hundred 99 took no longer.
    pub p99: Option<f64>,
    /// The last one.
    pub max: Option<f64>,
}

/// Payload bytes sent in the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bytes {
    /// By one node in one second, on average, all classes together.
    pub per_node_per_second: f64,
    /// By all nodes: probes, answers, joins.
    pub membership: u64,
    /// By all nodes: new entries on their way, members' records among them.
    pub updates: u64,
    /// By all nodes: anti-entropy.
    pub repair: u64,
}

/// What was sent to nodes in other zones in the measured time, by where nodes stand, whether they
/// say so or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CrossZone {
    /// Zones.
    pub zones: usize,
    /// Payload bytes of probes, answers, joins.
    pub membership_bytes: u64,
    /// Payload bytes of new entries on their way.
    pub update_bytes: u64,
    /// Payload bytes of anti-entropy.
    pub repair_bytes: u64,
    /// Datagrams and frames of all classes.
    pub messages: u64,
    /// Payload bytes of new entries on their way, for each write; null if there was none.
    pub update_bytes_per_write: Option<f64>,
}

/// Milliseconds from a crash until it was noticed: medians over crashes, null if none was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Detection {
    /// Until the first node held the crashed one dead.
    pub first: Option<f64>,
    /// Until all live nodes did.
    pub all: Option<f64>,
    /// The longest time until all live nodes did.
    pub worst: Option<f64>,
    /// Crashes.
    pub crashes: usize,
    /// Crashes that all live nodes noticed before the node was back.
    pub noticed_by_all: usize,
}

/// What became of deletions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tombstones {
    /// Tombstones that all live nodes kept at the end, dormant ones among them.
    pub kept: u64,
    /// Of those, the ones that lay apart from the data: dormant, or at work again.
    pub dormant: u64,
    /// Tombstones and expired entries that nodes let go in the measured time.
    pub collected: u64,
    /// Keys that came back somewhere, be it for a moment, after their deletion had been let go.
    pub resurrected: usize,
}

impl Tombstones {
    fn of(world: &World) -> Self {
        let mut sum = Self { resurrected: world.ledger().resurrected(), ..Self::default() };
        for (_, node) in world.live() {
            sum.dormant += node.certificates().tombstones();
            sum.kept += node.data().tombstones() + node.certificates().tombstones();
        }
        sum
    }
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The property, by the name of its checker.
    pub property: &'static str,
    /// When, in virtual time.
    pub at_ms: f64,
    /// At which node, where one can say.
    pub node: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// The seed that makes it happen again.
    pub seed: u64,
}

/// What went on during a short time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Its end, in seconds of measured time.
    pub at: f64,
    /// Bytes a second that all nodes sent, by class.
    pub bytes: [f64; Class::ALL.len()],
    /// Share of the live nodes that hold the data that most hold, but for what is just being
    /// written.
    pub agree: f64,
}

impl From<Violation> for Found {
    fn from(violation: Violation) -> Self {
        let Violation { seed, at, node, property, what } = violation;
        Self { property, at_ms: ms(at), node, what, seed }
    }
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// What is written about this long ago is on its way and counts as no disagreement.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// Points on the curve of deliveries.
const POINTS: usize = 200;

/// Where the figures begin.
#[derive(Debug)]
pub(crate) struct Baseline {
    at: Duration,
    traffic: Traffic,
    counters: Vec<(&'static str, u64)>,
    full: [(&'static str, u64); 3],
    sampled: (Duration, [u64; Class::ALL.len()]),
    /// The sample before that.
    sampled_before: (Duration, [u64; Class::ALL.len()]),
}

impl Baseline {
    pub(crate) fn of(world: &World) -> Self {
        let traffic = world.total_traffic();
        let sampled = (world.now(), Class::ALL.map(|class| traffic.sent(class).bytes));
        Self {
            at: world.now(),
            traffic,
            counters: world.counters(),
            full: world.dropped_full(),
            sampled,
            sampled_before: sampled,
        }
    }

    /// What went on since the last sample.
    pub(crate) fn sample(&mut self, world: &World) -> Option<Sample> {
        let traffic = world.total_traffic();
        let sent = Class::ALL.map(|class| traffic.sent(class).bytes);
        let (mut before, mut sent_before) = self.sampled;
        // The end of a run comes at any time: a moment's burst is no rate, so it is taken together
        // with the sample before it.
        if (world.now() - before) * 2 < before - self.sampled_before.0 {
            (before, sent_before) = self.sampled_before;
        }
        self.sampled_before = std::mem::replace(&mut self.sampled, (world.now(), sent));
        let seconds = (world.now() - before).as_secs_f64();
        let mut bytes = [0.0; Class::ALL.len()];
        for (rate, (now, before)) in bytes.iter_mut().zip(sent.into_iter().zip(sent_before)) {
            *rate = (now - before) as f64 / seconds;
        }
        let at = (world.now() - self.at).as_secs_f64();
        (seconds > 0.0).then(|| Sample { at, bytes, agree: agreement(world) })
    }

    /// The figures.
    pub(crate) fn report(&self, world: &World) -> Report {
        let measured = world.now() - self.at;
        let (delivery, curve) = self.delivery(world);
        let entries = self.entries(world);
        let traffic = world.total_traffic();
        let sent = |class| traffic.sent(class).bytes - self.traffic.sent(class).bytes;
        let per_second = |count: u64| match measured.as_secs_f64() * world.nodes() as f64 {
            none if none <= 0.0 => 0.0,
            node_seconds => count as f64 / node_seconds,
        };
        let [membership, updates, repair] = Class::ALL.map(sent);
        let messages = traffic.all_sent().messages - self.traffic.all_sent().messages;
        let received = self.counted(world, "entries_new") + self.counted(world, "entries_stale");
        let any = |time| (delivery.delivered > 0).then(|| ms(time));
        Report {
            nodes: world.nodes(),
            seed: world.seed(),
            virtual_ms: ms(world.now()),
            measured_ms: ms(measured),
            wall_ms: 0,
            events: world.events(),
            converged: world.converged(),
            digests: world.digests().len(),
            settle_ms: None,
            interrupted: false,
            writes: entries.writes,
            delivered: delivery.delivered,
            deliveries_possible: delivery.possible,
            delivery_ms: DeliveryMs {
                p50: any(delivery.p50),
                p99: any(delivery.p99),
                max: any(delivery.max),
            },
            copies_per_node: received as f64 / delivery.possible.max(1) as f64,
            bytes: Bytes {
                per_node_per_second: per_second(membership + updates + repair),
                membership,
                updates,
                repair,
            },
            cross_zone: self.cross_zone(world, entries.writes),
            messages_per_node_per_second: per_second(messages),
            amplification: (entries.delivered_bytes > 0)
                .then(|| (updates + repair) as f64 / entries.delivered_bytes as f64),
            detection_ms: detection(world),
            false_positives: world.false_positives(self.at),
            tombstones: Tombstones {
                collected: self.counted(world, "tombstones_collected"),
                ..Tombstones::of(world)
            },
            strays: world.ledger().strays(),
            shed: self.shed(world),
            violations: Vec::new(),
            curve,
            samples: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn cross_zone(&self, world: &World, writes: usize) -> Option<CrossZone> {
        let zones = world.options.zones.as_ref()?.names().len();
        let (now, before) = (world.total_traffic(), self.traffic);
        let counts = Class::ALL.map(|class| (now.across(class), before.across(class)));
        let [membership_bytes, update_bytes, repair_bytes] =
            counts.map(|(now, before)| now.bytes - before.bytes);
        Some(CrossZone {
            zones,
            membership_bytes,
            update_bytes,
            repair_bytes,
            messages: counts.iter().map(|(now, before)| now.messages - before.messages).sum(),
            update_bytes_per_write: (writes > 0).then(|| update_bytes as f64 / writes as f64),
        })
    }

    fn counted(&self, world: &World, name: &str) -> u64 {
        let of = |counters: &[(&str, u64)]| {
            counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
        };
        of(&world.counters()) - of(&self.counters)
    }

    fn delivery(&self, world: &World) -> (Delivery, Vec<(f64, f64)>) {
        let measured = || world.ledger().writes().filter(|(_, w)| self.is_measured(w.at.0));
        let mut delays: Vec<u32> = measured().flat_map(|(_, written)| written.delays()).collect();
        let possible = measured().count() * (world.nodes() - 1);
        delays.sort_unstable();
        let curve = curve(&delays, possible);
        (Delivery::of(delays, possible), curve)
    }

    fn is_measured(&self, us: u64) -> bool {
        Duration::from_micros(us) >= self.at
    }

    fn entries(&self, world: &World) -> Entries {
        let mut entries = Entries::default();
        for (_, written) in world.ledger().writes().filter(|(_, w)| self.is_measured(w.at.0)) {
            entries.writes += 1;
            entries.delivered_bytes +=
                written.delays().count() as u64 * written.entry.size() as u64;
        }
        entries
    }

    fn shed(&self, world: &World) -> BTreeMap<&'static str, u64> {
        let now = world.counters();
        let counters = now.iter().zip(&self.counters);
        let counters = counters.map(|((name, now), (_, before))| (*name, now - before));
        let full = world.dropped_full();
        let full = full.iter().zip(&self.full).map(|((name, now), (_, was))| (*name, now - was));
        counters.filter(|(name, _)| is_shed(name)).chain(full).collect()
    }
}

#[derive(Default)]
struct Entries {
    writes: usize,
    delivered_bytes: u64,
}

/// True for a counter of something that was dropped, refused or given up.
fn is_shed(name: &str) -> bool {
    // What takes a proof comes again with one.
    name.starts_with("refused_") && name != "refused_unproven"
        || name.contains("dropped")
        || name.ends_with("_shed")
        || matches!(name, "unknown_messages" | "bulk_stalled" | "streams_lost")
}

/// Points of the distribution of sorted delays, denser towards the end, which is what matters.
fn curve(sorted: &[u32], possible: usize) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut add = |rank: usize| {
        if let Some(delay) = sorted.get(rank.saturating_sub(1)) {
            points.push((f64::from(*delay) / 1000.0, rank as f64 / possible.max(1) as f64));
        }
    };
    (1..=POINTS).for_each(|step| add((sorted.len() * step / POINTS).max(1)));
    let mut tail = sorted.len() / POINTS;
    while tail > 0 {
        tail /= 2;
        add(sorted.len() - tail);
    }
    points.sort_by(|one, other| one.1.total_cmp(&other.1));
    points.dedup();
    points
}

fn agreement(world: &World) -> f64 {
    let wall_ms = crate::clock::EPOCH_MS + world.now().as_millis() as u64;
    let skew = world.options.clock_skew.min(Duration::from_secs(6));
    let cut = Cut::around(wall_ms, ms(ON_ITS_WAY + skew) as u64);
    let mut groups: Vec<(_, usize)> = Vec::new();
    let mut live = 0;
    for (_, node) in world.live() {
        live += 1;
        let digest = node.data().digest_at(cut);
        match groups.iter_mut().find(|(known, _)| *known == digest) {
            Some((_, count)) => *count += 1,
            None => groups.push((digest, 1)),
        }
    }
    let most = groups.iter().map(|(_, count)| *count).max().unwrap_or(0);
    most as f64 / live.max(1) as f64
}

fn detection(world: &World) -> Detection {
    let mut found = world.detections();
    let middle = |delays: &mut Vec<u32>| {
        delays.sort_unstable();
        delays.get(delays.len().saturating_sub(1) / 2).map(|us| f64::from(*us) / 1000.0)
    };
    Detection {
        first: middle(&mut found.first),
        all: middle(&mut found.all),
        worst: found.all.last().map(|us| f64::from(*us) / 1000.0),
        crashes: found.deaths,
        noticed_by_all: found.all.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::Stats;

    #[test]
    fn every_counter_of_something_dropped_is_shed() {
        for (name, meaning, _) in Stats::default().all() {
            let words = ["dropped", "refused", "passed over", "could not", "stopped because"];
            let says = words.iter().any(|word| meaning.to_lowercase().contains(word));
            assert_eq!(is_shed(name), says, "{name}: {meaning}");
        }
    }

    #[test]
    fn a_curve_begins_with_the_fastest_and_ends_with_the_last() {
        let delays: Vec<u32> = (1..=100_000).collect();
        let points = curve(&delays, 200_000);
        assert_eq!(points.last(), Some(&(100.0, 0.5)));
        assert!(points.is_sorted_by(|one, other| one.0 < other.0 && one.1 < other.1));
        assert!(points.len() < 250);
        assert_eq!(curve(&[5], 1), [(0.005, 1.0)]);
        assert_eq!(curve(&[], 0), []);
    }
}
