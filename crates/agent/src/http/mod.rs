//! The HTTP face of a node: keys and values, watches, status, metrics, health, and the page.
//!
//! Nothing here knows gossip: it serves a [`Rumormill`] handle. Every body, connection, watcher
//! and answer has a bound, and every refusal is JSON that says what to do.

mod body;
mod bulk;
mod conn;
mod coverage;
mod guard;
mod json;
mod keyring;
mod kv;
mod members;
mod metrics;
mod node;
mod page;
mod problem;
mod query;
mod repair;
mod ring;
mod watch;

#[doc(hidden)]
pub use bulk::fuzz as fuzz_bulk;
#[doc(hidden)]
pub use query::fuzz as fuzz_query;

use crate::handle::Rumormill;
use crate::tls::Tls;
use axum::Router;
use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use metrics::Metrics;
use problem::Problem;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

/// How to serve; every field has a default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whoever asks for anything but the page and the health checks must know it.
    pub token: Option<Secret>,
    /// Names under which browsers may reach the port, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// True if members to join by were given: then the node is not ready before it knows one.
    pub joining: bool,
    /// Connections at once; more are answered 503 and closed.
    pub max_connections: usize,
    /// Watches at once; more are answered 503. Each holds a connection.
    pub max_watchers: usize,
    /// How long a connection may take to send the head of a request, or stay idle between two.
    pub header_timeout: Duration,
    /// How long a value may take to arrive, and each piece of a bulk write.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How often a quiet watch sends a comment, so that dead connections are noticed.
    pub heartbeat: Duration,
    /// How long requests in flight may go on after the shutdown was asked for.
    pub grace: Duration,
    /// With it clients must speak TLS; without it they must not.
    pub tls: Option<Arc<Tls>>,
    /// What the Redis port counts, to be shown with the rest.
    pub redis: Option<Arc<crate::redis::RedisStats>>,
    /// The TLS side of the Redis port, to be shown with the rest.
    pub redis_tls: Option<Arc<Tls>>,
    /// Told once the node has left at a client's request: the process may end.
    pub left: Arc<Notify>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            hosts: Vec::new(),
            joining: false,
            max_connections: 1024,
            max_watchers: 256,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            tls: None,
            redis: None,
            redis_tls: None,
            left: Arc::default(),
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as bytes.
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What all requests share.
struct App {
    node: Rumormill,
    options: Options,
    metrics: Metrics,
    watchers: Arc<Semaphore>,
    left: AtomicBool,
    shutdown: Shutdown,
}

type Shutdown = tokio::sync::watch::Receiver<bool>;

/// Returns when the shutdown is asked for, or nobody is left who could ask for it.
async fn stopped(shutdown: &mut Shutdown) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Serves a node on a bound port until `shutdown` turns true, then lets requests in flight end.
pub async fn serve(listener: TcpListener, node: Rumormill, options: Options, shutdown: Shutdown) {
    let app = Arc::new(App {
        metrics: Metrics::new(node.clone(), &options),
        watchers: Arc::new(Semaphore::new(options.max_watchers)),
        left: AtomicBool::new(false),
        node,
        options,
        shutdown,
    });
    // Ends with this function.
    let mut chores = tokio::task::JoinSet::new();
    if let Some(tls) = app.options.tls.clone() {
        chores.spawn(async move { tls.keep_fresh().await });
    }
    conn::accept(listener, router(&app), app).await;
}

/// Every route: its path, its methods, and what it is for.
const ROUTES: [(&str, &str, &str); 24] = [
    ("/", "GET, HEAD", "the status page"),
    ("/healthz", "GET, HEAD", "200 while the process answers"),
    ("/readyz", "GET, HEAD", "200 while the node can do its work, else 503 with the reason"),
    ("/metrics", "GET, HEAD", "numbers for Prometheus"),
    ("/v1", "GET, HEAD", "this list"),
    (
        "/v1/kv",
        "GET, HEAD, POST",
        "GET ?prefix= &limit= &after= &keys=1 lists entries; POST writes lines of JSON: key, \
         value (or key_base64, value_base64), ttl, \
         owned",
    ),
    ("/v1/kv/", "GET, HEAD, PUT, DELETE", "the empty key"),
    (
        "/v1/kv/{*key}",
        "GET, HEAD, PUT, DELETE",
        "one value, raw bytes; GET ?max_staleness=2s; PUT ?ttl=30 or ?ttl=10m, ?owned=1; \
         PUT and DELETE ?wait=all, 0.99 or 3, &wait_timeout=5s",
    ),
    ("/v1/coverage/", "GET, HEAD", "the same of the empty key"),
    ("/v1/coverage/{*key}", "GET, HEAD", "who holds what this node holds under a key; ?timeout=1s"),
    ("/v1/export", "GET, HEAD", "all entries as lines of JSON; ?prefix= &keys=1"),
    ("/v1/watch", "GET, HEAD", "changes as server-sent events; ?prefix= &keys=1"),
    ("/v1/status", "GET, HEAD", "the state of the node"),
    ("/v1/members", "GET, HEAD", "everyone that the node knows; ?tag=zone=a &state=alive"),
    (
        "/v1/members/{member}/forget",
        "POST",
        "waits no longer for a dead member, by its name or id; ?force=1 without a majority",
    ),
    ("/v1/repair/ring", "GET, HEAD, POST", "where ring repair stands; POST begins a pass"),
    (
        "/v1/events/members",
        "GET, HEAD",
        "what happened to members lately, as the node saw it; ?about=NAME &limit=",
    ),
    (
        "/v1/events/repair",
        "GET, HEAD",
        "what repair did lately and what it cost; ?about=NAME &calm=1 &limit=",
    ),
    (
        "/v1/tags",
        "GET, HEAD, PUT, PATCH",
        "the node's tags as a JSON object; PUT sets all, PATCH changes some and null takes one off",
    ),
    ("/v1/leave", "POST", "says goodbye and stops the node"),
    ("/v1/keyring", "GET, HEAD", "the ids of the cluster's keys, and who holds which"),
    ("/v1/keyring/add", "POST", "adds the key in the body, or a new one if there is none"),
    ("/v1/keyring/use", "POST", "?id= makes a key primary"),
    ("/v1/keyring/remove", "POST", "?id= &force=1 removes a key"),
];

fn router(app: &Arc<App>) -> Router {
    let key = || get(kv::get).put(kv::put).delete(kv::delete);
    let guard = axum::middleware::from_fn_with_state(Arc::clone(app), guard::check);
    let count = axum::middleware::from_fn_with_state(Arc::clone(app), metrics::count);
    Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(node::healthz))
        .route("/readyz", get(node::readyz))
        .route("/metrics", get(metrics::serve))
        .route("/v1/kv", get(kv::list).post(bulk::import))
        // The empty key is a key like any other.
        .route("/v1/kv/", key())
        .route("/v1/kv/{*key}", key())
        .route("/v1/coverage/", get(coverage::get))
        .route("/v1/coverage/{*key}", get(coverage::get))
        .route("/v1/export", get(bulk::export))
        .route("/v1/watch", get(watch::watch))
        .route("/v1/status", get(node::status))
        .route("/v1/members", get(members::list))
        .route("/v1/members/{member}/forget", post(ring::forget))
        .route("/v1/repair/ring", get(ring::status).post(ring::begin))
        .route("/v1/events/members", get(members::events))
        .route("/v1/events/repair", get(repair::events))
        .route("/v1/tags", get(members::tags).put(members::put_tags).patch(members::patch_tags))
        .route("/v1/leave", post(node::leave))
        .route("/v1/keyring", get(keyring::list))
        .route("/v1/keyring/add", post(keyring::add))
        .route("/v1/keyring/use", post(keyring::promote))
        .route("/v1/keyring/remove", post(keyring::remove))
        .route("/v1", get(node::routes))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_route)
        .layer(guard)
        .layer(count)
        .with_state(Arc::clone(app))
}

async fn no_route(uri: Uri) -> Problem {
    let message = format!("there is no {}; GET /v1 lists the routes, / is a page", uri.path());
    Problem::new(StatusCode::NOT_FOUND, message)
}

async fn wrong_method(method: Method, path: MatchedPath, uri: Uri) -> Problem {
    let allowed = ROUTES.iter().find(|(route, ..)| *route == path.as_str());
    let allowed = allowed.map_or("GET", |(_, methods, _)| methods);
    let message = format!("{method} is not possible on {}; use {allowed}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let options = Options { token: Some(Secret::new("hunter2")), ..Options::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
