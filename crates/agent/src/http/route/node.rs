//! The node itself: status, leaving, health.

use super::ROUTES;
use crate::http::app::App;
use crate::http::wire::json::{self, fresh};
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `GET` of the node's state.
pub(crate) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    Ok(fresh(&app.node.status()))
}

/// `POST` that makes the node say goodbye and stop.
pub(crate) async fn leave(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    app.left.store(true, Ordering::Relaxed);
    app.node.leave().await;
    app.options.left.notify_one();
    Ok(fresh(&serde_json::json!({ "left": true })))
}

/// `GET` of the routes, for people with a terminal.
pub(crate) async fn routes() -> Response {
    let routes: Vec<_> = ROUTES
        .iter()
        .map(|(path, methods, what)| {
            let path = path.replace("{*key}", "{key}");
            serde_json::json!({ "path": path, "methods": methods, "what": what })
        })
        .collect();
    json::answer(json::to_vec(&serde_json::json!({ "routes": routes })))
}

/// `GET` that succeeds while the process answers.
pub(crate) async fn healthz() -> Response {
    fresh(&serde_json::json!({ "ok": true }))
}

/// `GET` that succeeds while the node can do its work.
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    match not_ready(&app) {
        None => Ok(fresh(&serde_json::json!({ "ready": true }))),
        Some(reason) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}

/// Why the node cannot do its work, if so.
fn not_ready(app: &App) -> Option<String> {
    if app.left.load(Ordering::Relaxed) || *app.shutdown.borrow() {
        return Some("the node is leaving or shutting down".into());
    }
    // Once it knows others it has joined, and stays ready when they are gone: it serves alone.
    if app.options.joining && !app.node.members().iter().any(|member| !member.is_self) {
        return Some("the node has not reached any of the members that it should join".into());
    }
    app.node.status().store_problem()
}
