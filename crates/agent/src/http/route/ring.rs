//! Ring repair: how far it has come, a pass on demand, and members that nobody waits for any more.

use crate::http::app::App;
use crate::http::wire::json::fresh;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::{Query, decode};
use crate::report::{ForgetError, RepairError};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use std::sync::Arc;

/// `GET` of where passes stand.
pub(crate) async fn status(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    Ok(fresh(&app.node.ring_status()))
}

/// `POST` that begins a pass.
pub(crate) async fn begin(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["first"])?;
    let begun = match query.flag("first")? {
        true => app.node.repair_ring_first().await,
        false => app.node.repair_ring().await,
    };
    match begun {
        Ok(ring) => {
            let mut answer = fresh(&ring);
            *answer.status_mut() = StatusCode::ACCEPTED;
            Ok(answer)
        }
        Err(error) => {
            let status = match error {
                RepairError::Closed => StatusCode::SERVICE_UNAVAILABLE,
                RepairError::Refused { .. } => StatusCode::CONFLICT,
            };
            let names = error.names().to_vec();
            let problem = Problem::new(status, error.to_string());
            Err(problem.with("reason", error.reason()).with("names", names))
        }
    }
}

/// `POST` that forgets a member.
pub(crate) async fn forget(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["force"])?;
    let path = uri.path().strip_prefix("/v1/members/").unwrap_or_default();
    let who = decode(path.strip_suffix("/forget").unwrap_or_default(), false)?;
    let who = String::from_utf8_lossy(&who);
    match app.node.forget(who, query.flag("force")?).await {
        Ok(ids) => Ok(fresh(&serde_json::json!({
            "forgotten": ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))),
        Err(error) => {
            let (status, reason) = match &error {
                ForgetError::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
                ForgetError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "closed"),
                error if error.is_present() => (StatusCode::CONFLICT, "present"),
                ForgetError::Refused { .. } => (StatusCode::CONFLICT, "minority"),
            };
            Err(Problem::new(status, error.to_string()).with("reason", reason))
        }
    }
}
