//! What repair did lately.

use super::members::ids_of;
use crate::http::app::App;
use crate::http::wire::json::fresh;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::report::MAX_SESSIONS;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use std::sync::Arc;

/// Exchanges of one answer if no number is asked for.
const DEFAULT: usize = 100;

/// `GET` of the latest exchanges, of sums by method, and of who stays different.
pub(crate) async fn events(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["about", "calm", "limit"])?;
    let limit = query.count("limit", DEFAULT, MAX_SESSIONS)?;
    let calm = query.flag("calm")?;
    let about = match query.bytes("about") {
        None => None,
        Some(about) => Some(ids_of(&app, &String::from_utf8_lossy(about))?),
    };
    let story = app.node.repair_story(about, calm, limit).await?;
    Ok(fresh(&story))
}
