//! The numbers of the node and of its ports, read when they are asked for.

use crate::clock::wall_ms;
use crate::handle::Rumormill;
use crate::redis::RedisStats;
use crate::report::{Alarms, MemberCounts, SeedStatus, Status, Traffic};
use crate::seal::EncryptionStatus;
use crate::tls::Tls;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rumormill_core::Stats;
use rumormill_core::spread::sessions::{METHODS, Outcome, Sums, Totals};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Reads the numbers of the node and of the ports when they are asked for.
pub(super) struct Reading {
    pub(super) node: Rumormill,
    pub(super) redis: Option<Arc<RedisStats>>,
    pub(super) tls: Ports,
}

/// The TLS side of each port, by the port's name.
pub(super) type Ports = [(&'static str, Option<Arc<Tls>>); 2];

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Collector for Reading {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), fmt::Error> {
        let status = self.node.status();
        let to = &mut to;
        state(&status, to)?;
        ways(&status, to)?;
        ring(&self.node, status.uptime_ms, to)?;
        seeds(&status.seeds, to)?;
        members(&status.members, to)?;
        traffic(&status.traffic, to)?;
        lock(&status.encryption, to)?;
        repair(&self.node.repair_totals(), to)?;
        tls(&self.tls, to)?;
        protocol(&status.counters, to)?;
        self.redis.iter().try_for_each(|stats| redis(stats, to))
    }
}

/// One number that may fall as well as rise.
fn gauge(to: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// One number that only grows.
fn counter(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    ConstCounter::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// How the node is.
fn state(status: &Status, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    for (name, help, value) in [
        ("entries", "Live entries", status.entries),
        ("hidden", "Owned entries that nobody sees: owner away", status.hidden),
        ("tombstones", "Tombstones kept", status.tombstones),
        ("strays", "Entries kept aside until an operator decides", status.alarms.strays),
        ("strays_bytes", "Bytes of their keys and values", status.strays_bytes),
        (
            "strays_full",
            "1 if there is no room to keep more aside, so the node stays behind",
            u64::from(status.alarms.strays_full),
        ),
        ("uptime_seconds", "Seconds since the start", status.uptime_ms / 1000),
        (
            "store_ok",
            "1 if the durable store takes writes, or there is none",
            u64::from(status.store_problem().is_none()),
        ),
        (
            "store_slow",
            "1 if the disk has not come back from one thing for more than a second",
            u64::from(status.alarms.store_slow),
        ),
        ("doubt", "How much the node doubts itself; 0 if it is well", u64::from(status.doubt)),
        (
            "clocks_off",
            "Members whose clocks are more than a second off, as this node sees it, itself included",
            status.alarms.clocks.off.len() as u64
                + u64::from(status.alarms.clocks.own_ahead_ms != 0),
        ),
        (
            "partition_suspected",
            "1 if the node sees less than half of the members that it knows",
            u64::from(status.alarms.partition_suspected),
        ),
        (
            "seeds_lost",
            "Names to join by that could not be found at the last try",
            status.seeds.iter().filter(|seed| seed.error.is_some()).count() as u64,
        ),
        (
            "twin",
            "1 if another node was seen lately that runs with this node's id",
            u64::from(status.alarms.twin),
        ),
        (
            "shared_names",
            "Names that several present members go by",
            status.alarms.shared_names.len() as u64,
        ),
        (
            "narrow_paths",
            "Paths to members that carry smaller datagrams than limits.datagram allows",
            status.alarms.narrow_paths.len() as u64,
        ),
        (
            "diverged",
            "Parts of other members' replicas that stay different although repair goes on",
            status.alarms.diverged.len() as u64,
        ),
        (
            "joining",
            "1 while the replica is being filled from another member's",
            u64::from(status.joining.is_some()),
        ),
    ] {
        gauge(to, name, help, value)?;
    }
    let ahead = status.clock_ahead_ms.unwrap_or_default() as f64 / 1000.0;
    let help = "Seconds that this node's clock is ahead of the cluster's time; behind, if negative";
    let clock = to.encode_descriptor("clock_ahead_seconds", help, None, MetricType::Gauge)?;
    ConstGauge::new(ahead).encode(clock)
}

/// Which ways to members are closed.
fn ways(status: &Status, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let help = "Ways to members that are closed while another is open";
    let mut family = to.encode_descriptor("closed_ways", help, None, MetricType::Gauge)?;
    for (way, direction) in [("udp", "to"), ("udp", "from"), ("tcp", "both")] {
        let closed = status.alarms.closed_ways.iter();
        let closed = closed.filter(|closed| closed.way == way && closed.direction == direction);
        let labels = [("way", way), ("direction", direction)];
        ConstGauge::new(closed.count() as u64).encode(family.encode_family(&labels)?)?;
    }
    let Alarms { unreached, unreached_by, joining_in_vain, .. } = &status.alarms;
    let help = "Nodes that ask to be let in and cannot be reached at the address that they say";
    gauge(to, "joining_in_vain", help, joining_in_vain.len() as u64)?;
    let help = "Members that this node hears and cannot reach at the address that they say";
    gauge(to, "unreached_members", help, unreached.len() as u64)?;
    let help = "Members that hear this node and cannot reach it at the address that it says";
    gauge(to, "unreached_by_members", help, unreached_by.len() as u64)
}

/// How far ring repair has come.
fn ring(node: &Rumormill, uptime_ms: u64, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let ring = node.ring_status();
    let run = ring.run.as_ref().filter(|run| run.is_under_way());
    let progress = run.map_or(0.0, |run| f64::from(run.hop) / f64::from(run.hops.max(1)));
    let help = "Share of the hops done of the pass that this node began; 0 if none is under way";
    let share = to.encode_descriptor("ring_progress", help, None, MetricType::Gauge)?;
    ConstGauge::new(progress).encode(share)?;
    let help = "Members that passes of ring repair wait for";
    gauge(to, "tombstones_held_by", help, ring.tombstones_held_by.len() as u64)?;
    let help = "1 if the node holds everything up to the horizon, 0 while it is brought back to it";
    gauge(to, "covered", help, u64::from(ring.covered))?;
    let help = "1 for why the last pass that this node began could not be complete";
    let mut family = to.encode_descriptor("pass_refused", help, None, MetricType::Gauge)?;
    for reason in ["minority", "founding", "doubt", "bounds"] {
        let on = ring.refused.as_ref().is_some_and(|refused| refused.reason == reason);
        ConstGauge::new(u64::from(on)).encode(family.encode_family(&[("reason", reason)])?)?;
    }
    let age = ring.horizon.map_or(uptime_ms, |horizon| wall_ms().saturating_sub(horizon.time_ms));
    let help = "Seconds since the time up to which everyone is known to hold everything; before the \
                first pass, since the start";
    gauge(to, "horizon_age_seconds", help, age / 1000)
}

/// How the names to join by are found.
fn seeds(seeds: &[SeedStatus], to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let sum = |count: fn(&SeedStatus) -> u64| seeds.iter().map(count).sum::<u64>();
    for (name, help, count) in [
        ("seed_lookups", "Look-ups of names to join by", sum(|seed| seed.lookups)),
        ("seed_lookups_failed", "Those that found nothing", sum(|seed| seed.failures)),
    ] {
        counter(to, name, help, count)?;
    }
    Ok(())
}

/// Who is there.
fn members(members: &MemberCounts, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let help = "Members that the node knows, by state";
    let mut family = to.encode_descriptor("members", help, None, MetricType::Gauge)?;
    for (state, count) in [
        ("alive", members.alive),
        ("suspect", members.suspect),
        ("dead", members.dead),
        ("left", members.left),
        ("forgotten", members.forgotten),
    ] {
        ConstGauge::new(count).encode(family.encode_family(&[("state", state)])?)?;
    }
    Ok(())
}

/// What goes through the gossip port.
fn traffic(traffic: &Traffic, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    for (name, help, sent, received) in [
        (
            "gossip_bytes",
            "Payload bytes through the gossip port",
            traffic.sent_bytes,
            traffic.received_bytes,
        ),
        (
            "gossip_messages",
            "Datagrams and frames through the gossip port",
            traffic.sent_messages,
            traffic.received_messages,
        ),
    ] {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (direction, count) in [("sent", sent), ("received", received)] {
            let labels = [("direction", direction)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Datagrams and frames not sent because a queue was full or the system refused";
    counter(to, "gossip_shed", help, traffic.shed_messages)?;
    let help = "Bytes that have come by streams and wait to be understood";
    gauge(to, "incoming_bytes", help, traffic.incoming_bytes)?;
    let help = "Frames that ended with their streams to make room for others";
    counter(to, "incoming_ended", help, traffic.incoming_ended)?;
    Ok(())
}

/// How gossip is encrypted.
fn lock(lock: &EncryptionStatus, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let help = "1 for what is done with the keys: off, accept, send or require";
    let mut family = to.encode_descriptor("encryption", help, None, MetricType::Gauge)?;
    for mode in ["off", "accept", "send", "require"] {
        let on = u64::from(lock.mode == mode);
        ConstGauge::new(on).encode(family.encode_family(&[("mode", mode)])?)?;
    }
    gauge(to, "keys", "Keys in the ring", lock.keys.len() as u64)?;
    let help = "Datagrams and streams that came in plain although there are keys";
    counter(to, "plaintext_received", help, lock.plaintext_received)?;
    let help = "Datagrams and streams dropped unread, by reason";
    let mut family = to.encode_descriptor("seal_dropped", help, None, MetricType::Counter)?;
    for (reason, count) in lock.dropped.all() {
        ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
    }
    Ok(())
}

/// What exchanges of repair cost, by method.
fn repair(totals: &Totals, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let help = "Exchanges of repair that are over, by method and outcome";
    let mut family = to.encode_descriptor("repair_exchanges", help, None, MetricType::Counter)?;
    for ((_, method), sums) in METHODS.iter().zip(totals) {
        for (outcome, count) in Outcome::ALL.iter().zip(sums.outcomes) {
            let labels = [("method", *method), ("outcome", outcome.name())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Bytes of messages of those exchanges, entries included";
    let name = "repair_exchange_bytes";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for ((_, method), sums) in METHODS.iter().zip(totals) {
        for (direction, bytes) in [("sent", sums.sent_bytes), ("received", sums.received_bytes)] {
            let labels = [("method", *method), ("direction", direction)];
            ConstCounter::new(bytes).encode(family.encode_family(&labels)?)?;
        }
    }
    type Of = fn(&Sums) -> u64;
    let sums: [(&str, &str, Of); 3] = [
        ("repair_exchange_differences", "Items that differed in them", |sums| sums.differences),
        ("repair_exchange_messages", "Messages of them, both ways", |sums| sums.messages),
        ("repair_exchange_round_trips", "Round trips that they took", |sums| sums.round_trips),
    ];
    for (name, help, of) in sums {
        let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ((_, method), sums) in METHODS.iter().zip(totals) {
            let labels = [("method", *method)];
            ConstCounter::new(of(sums)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// TLS of the ports that speak it.
fn tls(ports: &Ports, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let ports = || ports.iter().filter_map(|(port, tls)| Some((*port, tls.as_ref()?)));
    let help = "TLS handshakes that succeeded";
    let mut family = to.encode_descriptor("tls_handshakes", help, None, MetricType::Counter)?;
    for (port, tls) in ports() {
        let count = tls.counters().handshakes.load(Ordering::Relaxed);
        ConstCounter::new(count).encode(family.encode_family(&[("port", port)])?)?;
    }
    let help = "TLS handshakes that failed, by reason";
    let mut family = to.encode_descriptor("tls_failed", help, None, MetricType::Counter)?;
    for (port, tls) in ports() {
        for (reason, count) in tls.counters().failed() {
            let labels = [("port", port), ("reason", reason)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "Changed certificate files, by whether they are used now";
    let mut family = to.encode_descriptor("tls_reloads", help, None, MetricType::Counter)?;
    for (port, tls) in ports() {
        let counters = tls.counters();
        for (result, count) in [("ok", &counters.reloads), ("failed", &counters.reload_failures)] {
            let labels = [("port", port), ("result", result)];
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&labels)?)?;
        }
    }
    let help = "When the certificate expires, seconds since 1970";
    let name = "tls_certificate_expires_seconds";
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (port, tls) in ports() {
        let gauge = ConstGauge::new(tls.validity().not_after);
        gauge.encode(family.encode_family(&[("port", port)])?)?;
    }
    Ok(())
}

/// Every counter of the protocol.
fn protocol(counters: &Stats, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    for (name, help, value) in counters.all() {
        let help = help.trim().trim_end_matches('.');
        counter(to, name, help, value)?;
    }
    Ok(())
}

/// What the Redis port counts.
fn redis(stats: &RedisStats, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    for (name, help, value) in stats.all() {
        let (name, help) = (format!("redis_{name}"), help.trim().trim_end_matches('.'));
        if name == "redis_connections" {
            gauge(to, &name, help, value)?;
        } else {
            // The format adds the ending itself.
            let name = name.trim_end_matches("_total");
            let name = if name == "redis_connections" { "redis_accepted" } else { name };
            counter(to, name, help, value)?;
        }
    }
    Ok(())
}
