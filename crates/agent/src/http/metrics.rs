//! Numbers for Prometheus, in the OpenMetrics text format.

use super::problem::Problem;
use super::query::Query;
use super::{App, node};
use crate::Rumormill;
use crate::handle::wall_ms;
use crate::redis::RedisStats;
use crate::seal::EncryptionStatus;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this port counts of itself, and how to read the rest off the node.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    /// Connections that are open.
    pub(super) connections: Gauge,
    /// Watches that are under way.
    pub(super) watches: Gauge,
    /// Connections that were refused because too many were open.
    pub(super) refused: Counter,
}

/// What is told apart about requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: String,
    status: &'static str,
}

impl Metrics {
    pub(super) fn new(node: Rumormill, redis: Option<Arc<RedisStats>>) -> Self {
        let status = node.status();
        let mut registry = Registry::with_prefix("rumormill");
        let requests = Family::default();
        let connections = Gauge::default();
        let watches = Gauge::default();
        let refused = Counter::default();
        let build = Info::new([("version", status.version)]);
        registry.register("build", "The program", build);
        let who =
            Info::new([("name", status.name), ("id", status.id), ("cluster", status.cluster)]);
        registry.register("node", "Who the node is", who);
        registry.register(
            "http_requests",
            "Requests answered, by route and status class",
            Family::clone(&requests),
        );
        registry.register(
            "http_connections",
            "HTTP connections that are open",
            Gauge::clone(&connections),
        );
        registry.register("http_watches", "Watches that are under way", Gauge::clone(&watches));
        registry.register(
            "http_connections_refused",
            "HTTP connections refused because too many were open",
            Counter::clone(&refused),
        );
        registry.register_collector(Box::new(Reading { node, redis }));
        Self { registry, requests, connections, watches, refused }
    }
}

/// `GET` of all numbers.
pub(super) async fn serve(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.metrics.registry).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written")
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// Counts every request, refused ones too.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).replace("{*key}", "{key}");
    let response = next.run(request).await;
    let status = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    };
    app.metrics.requests.get_or_create_owned(&Labels { route, status }).inc();
    response
}

/// How gossip is encrypted.
fn encode_lock(lock: &EncryptionStatus, to: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let help = "1 for what is done with the keys: off, accept, send or require";
    let mut family = to.encode_descriptor("encryption", help, None, MetricType::Gauge)?;
    for mode in ["off", "accept", "send", "require"] {
        let on = u64::from(lock.mode == mode);
        ConstGauge::new(on).encode(family.encode_family(&[("mode", mode)])?)?;
    }
    let gauge = to.encode_descriptor("keys", "Keys in the ring", None, MetricType::Gauge)?;
    ConstGauge::new(lock.keys.len() as u64).encode(gauge)?;
    let help = "Datagrams and streams that came in plain although there are keys";
    let plain = to.encode_descriptor("plaintext_received", help, None, MetricType::Counter)?;
    ConstCounter::new(lock.plaintext_received).encode(plain)?;
    let help = "Datagrams and streams dropped unread, by reason";
    let mut family = to.encode_descriptor("seal_dropped", help, None, MetricType::Counter)?;
    for (reason, count) in lock.dropped.all() {
        ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
    }
    Ok(())
}

/// How far ring repair has come.
fn encode_ring(
    node: &Rumormill,
    uptime_ms: u64,
    to: &mut DescriptorEncoder,
) -> Result<(), fmt::Error> {
    let ring = node.ring_status();
    let run = ring.run.as_ref().filter(|run| run.is_under_way());
    let progress = run.map_or(0.0, |run| f64::from(run.hop) / f64::from(run.hops.max(1)));
    let help = "Share of the hops done of the pass that this node began; 0 if none is under way";
    let gauge = to.encode_descriptor("ring_progress", help, None, MetricType::Gauge)?;
    ConstGauge::new(progress).encode(gauge)?;
    let help = "Members that passes of ring repair wait for";
    let gauge = to.encode_descriptor("tombstones_held_by", help, None, MetricType::Gauge)?;
    ConstGauge::new(ring.tombstones_held_by.len() as u64).encode(gauge)?;
    let help = "1 if the node holds everything up to the horizon, 0 while it is brought back to it";
    let gauge = to.encode_descriptor("covered", help, None, MetricType::Gauge)?;
    ConstGauge::new(u64::from(ring.covered)).encode(gauge)?;
    let age = ring.horizon.map_or(uptime_ms, |horizon| wall_ms().saturating_sub(horizon.time_ms));
    let help = "Seconds since the time up to which everyone is known to hold everything; before the \
                first pass, since the start";
    let gauge = to.encode_descriptor("horizon_age_seconds", help, None, MetricType::Gauge)?;
    ConstGauge::new(age / 1000).encode(gauge)
}

/// Reads the numbers of the node and of the Redis port when they are asked for.
struct Reading {
    node: Rumormill,
    redis: Option<Arc<RedisStats>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Collector for Reading {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), fmt::Error> {
        let status = self.node.status();
        for (name, help, value) in [
            ("entries", "Live entries", status.entries),
            ("tombstones", "Tombstones kept", status.tombstones),
            ("uptime_seconds", "Seconds since the start", status.uptime_ms / 1000),
            (
                "store_ok",
                "1 if the durable store takes writes, or there is none",
                u64::from(node::store_problem(&status).is_none()),
            ),
            ("doubt", "How much the node doubts itself; 0 if it is well", u64::from(status.doubt)),
            (
                "partition_suspected",
                "1 if the node sees less than half of the members that it knows",
                u64::from(status.alarms.partition_suspected),
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
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        encode_ring(&self.node, status.uptime_ms, &mut to)?;
        let members = &status.members;
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
        let traffic = &status.traffic;
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
        let shed = ConstCounter::new(traffic.shed_messages);
        shed.encode(to.encode_descriptor("gossip_shed", help, None, MetricType::Counter)?)?;
        encode_lock(&status.encryption, &mut to)?;
        for (name, help, value) in status.counters.all() {
            let help = help.trim().trim_end_matches('.');
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (name, help, value) in self.redis.iter().flat_map(|stats| stats.all()) {
            let (name, help) = (format!("redis_{name}"), help.trim().trim_end_matches('.'));
            if name == "redis_connections" {
                let gauge = to.encode_descriptor(&name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(gauge)?;
            } else {
                // The format adds the ending itself.
                let name = name.trim_end_matches("_total");
                let name = if name == "redis_connections" { "redis_accepted" } else { name };
                let counter = to.encode_descriptor(name, help, None, MetricType::Counter)?;
                ConstCounter::new(value).encode(counter)?;
            }
        }
        Ok(())
    }
}
