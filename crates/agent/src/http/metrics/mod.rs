//! Numbers for Prometheus: what the port counts of itself, and what is read off the node.

mod reading;

use super::options::Options;
use crate::handle::Rumormill;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use reading::Reading;

/// What this port counts of itself, and how to read the rest off the node.
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) requests: Family<Labels, Counter>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Watches that are under way.
    pub(crate) watches: Gauge,
    /// Connections that were refused because too many were open.
    pub(crate) refused: Counter,
}

/// What is told apart about requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    pub(crate) route: String,
    pub(crate) status: &'static str,
}

impl Metrics {
    pub(crate) fn new(node: Rumormill, options: &Options) -> Self {
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
        registry.register_collector(Box::new(Reading {
            node,
            redis: options.redis.clone(),
            tls: [("redis", options.redis_tls.clone()), ("http", options.tls.clone())],
        }));
        Self { registry, requests, connections, watches, refused }
    }
}
