//! The node itself: status, leaving, health.

use super::ROUTES;
use super::coverage::MAX_WAIT;
use crate::handle::LeaveOptions;
use crate::http::app::App;
use crate::http::conn::Peer;
use crate::http::wire::json::{self, fresh};
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::report::Handover;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `GET` of the node's state.
pub(crate) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    Ok(fresh(&app.node.status()))
}

/// `POST` that makes the node hand over what it has, say goodbye and stop.
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["timeout", "now"])?;
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
    let by = format!("HTTP, from {}", peer.as_deref().unwrap_or("an unknown address"));
    let mut options = LeaveOptions::default().by(by);
    let timeout = query.duration("timeout", MAX_WAIT)?;
    match (query.flag("now")?, timeout) {
        (true, Some(_)) => return Err(Problem::bad("with now=1 there is no timeout")),
        (true, None) => options = options.now(),
        (false, Some(timeout)) => options = options.timeout(timeout),
        (false, None) => {}
    }
    app.left.store(true, Ordering::Relaxed);
    // Whoever asked may go away: what has begun goes on, and the process ends with it.
    let (node, left) = (app.node.clone(), Arc::clone(&app.options.left));
    let leaving = tokio::spawn(async move {
        let told = node.leave_with(options).await;
        left.notify_one();
        told
    });
    let told = leaving.await.unwrap_or_default();
    Ok(fresh(&Left { left: true, told }))
}

/// What came of a leave.
#[derive(Serialize)]
struct Left {
    left: bool,
    #[serde(flatten)]
    told: Handover,
}

/// `GET` of how far a leave is.
pub(crate) async fn leaving(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    Ok(fresh(&serde_json::json!({ "leaving": app.node.leaving() })))
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
    let goes = app.left.load(Ordering::Relaxed) || app.node.leaving().is_some();
    if goes || *app.shutdown.borrow() {
        return Some("the node is leaving or shutting down".into());
    }
    // Once it knows others it has joined, and stays ready when they are gone: it serves alone.
    if app.options.joining && !app.node.members().iter().any(|member| !member.is_self) {
        let alone = app.node.status().alone;
        return Some(alone.map_or_else(
            || "the node has not reached any of the members that it should join yet".into(),
            |alone| alone.words(),
        ));
    }
    if !app.node.has_agreed() {
        let message = "the node has not agreed with any member yet on what they hold: that takes \
                       about a second after a start, and longer if there is much to fetch";
        return Some(message.into());
    }
    app.node.status().store_problem()
}
