//! The HTTP face of a node: keys and values, watches, status, metrics, health, and the page.
//!
//! Nothing here knows gossip: it serves a [`Rumormill`] handle. Every body, connection, watcher
//! and answer has a bound, and every refusal is JSON that says what to do. `wire` reads and writes,
//! `route` has what each path does with the `app` that all share, and this file puts them together.

mod app;
mod audit;
mod conn;
mod guard;
mod metrics;
mod options;
mod route;
mod wire;

pub use options::{Options, Secret};
#[doc(hidden)]
pub use route::bulk::fuzz as fuzz_bulk;
#[doc(hidden)]
pub use wire::query::fuzz as fuzz_query;

use crate::handle::Rumormill;
use app::{App, Shutdown};
use axum::Router;
use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use metrics::Metrics;
use route::{
    ROUTES, bulk, coverage, keyring, kv, members, node, page, repair, ring, strays, watch,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use wire::problem::Problem;

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

fn router(app: &Arc<App>) -> Router {
    let key = || get(kv::get).put(kv::put).delete(kv::delete);
    let guard = axum::middleware::from_fn_with_state(Arc::clone(app), guard::check);
    let count = axum::middleware::from_fn_with_state(Arc::clone(app), route::metrics::count);
    Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(node::healthz))
        .route("/readyz", get(node::readyz))
        .route("/metrics", get(route::metrics::serve))
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
        .route("/v1/strays", get(strays::list))
        .route("/v1/strays/restore", post(strays::restore))
        .route("/v1/strays/drop", post(strays::discard))
        .route("/v1/events/keys", get(strays::stories))
        .route("/v1/events/members", get(members::events))
        .route("/v1/events/repair", get(repair::events))
        .route("/v1/tags", get(members::tags).put(members::put_tags).patch(members::patch_tags))
        .route("/v1/leave", get(node::leaving).post(node::leave))
        .route("/v1/keyring", get(keyring::list))
        .route("/v1/keyring/add", post(keyring::add))
        .route("/v1/keyring/use", post(keyring::promote))
        .route("/v1/keyring/remove", post(keyring::remove))
        .route("/v1", get(node::routes))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_route)
        .layer(axum::middleware::from_fn(audit::log))
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
