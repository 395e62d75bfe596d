//! Whom the node knows, what happened to them, and the node's own tags.

use crate::http::app::App;
use crate::http::wire::body::Upload;
use crate::http::wire::json::{self, fresh};
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::report::{MAX_EVENTS, MemberInfo};
use crate::tags::{TagChange, TagsError, parse_tag};
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use rumormill_core::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest body of a change of tags: all that are possible, escaped as JSON may.
const MAX_BODY: usize = 64 * 1024;
/// Events of one answer if no number is asked for.
const DEFAULT_EVENTS: usize = 1000;
/// Tags to filter by at most.
const MAX_FILTERS: usize = 32;
const STATES: [&str; 5] = ["alive", "suspect", "dead", "left", "forgotten"];

/// `GET` of everyone that the node knows, or of those with some tags or in some state.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse_with(uri.query(), &["tag", "state"], &["tag"])?;
    let members = app.node.members();
    let filter = Filter::new(&query)?;
    let found: Vec<&MemberInfo> = members.iter().filter(|member| filter.takes(member)).collect();
    Ok(fresh(&serde_json::json!({ "members": found })))
}

/// Which members are wanted.
struct Filter {
    tags: Vec<(String, String)>,
    state: Option<String>,
}

impl Filter {
    fn new(query: &Query) -> Result<Self, Problem> {
        let tags = query.all("tag").map(|tag| parse_tag(&String::from_utf8_lossy(tag)));
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(Problem::bad)?;
        if tags.len() > MAX_FILTERS {
            return Err(Problem::bad(format!("at most {MAX_FILTERS} tags can be asked for")));
        }
        let state = query.bytes("state").map(|state| String::from_utf8_lossy(state).into_owned());
        if let Some(wrong) = state.as_ref().filter(|state| !STATES.contains(&state.as_str())) {
            return Err(Problem::bad(format!(
                "there is no state {wrong:?}; there are alive, suspect, dead, left and \
                 forgotten"
            )));
        }
        Ok(Self { tags, state })
    }

    fn takes(&self, member: &MemberInfo) -> bool {
        self.state.as_ref().is_none_or(|state| *state == member.state)
            && self.tags.iter().all(|(name, value)| member.tags.get(name) == Some(value))
    }
}

/// `GET` of what happened to members lately, as this node saw it.
pub(crate) async fn events(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["about", "limit"])?;
    let limit = query.count("limit", DEFAULT_EVENTS, MAX_EVENTS)?;
    let about = match query.bytes("about") {
        None => None,
        Some(about) => Some(ids_of(&app, &String::from_utf8_lossy(about))?),
    };
    let events = app.node.member_events(about, limit).await?;
    Ok(fresh(&events))
}

/// The members that go by a name or id. An id need not be known.
pub(crate) fn ids_of(app: &App, about: &str) -> Result<Vec<NodeId>, Problem> {
    let members = app.node.members();
    let named = members.iter().filter(|member| member.name == about || member.id == about);
    let mut ids: Vec<NodeId> = named.filter_map(|member| member.id.parse().ok()).collect();
    if ids.is_empty() && about.len() == 16 {
        ids.extend(about.parse::<NodeId>().ok());
    }
    if ids.is_empty() {
        let message = format!("no member goes by {about:?} here; /v1/members lists all");
        return Err(Problem::new(StatusCode::NOT_FOUND, message));
    }
    Ok(ids)
}

/// `GET` of the node's own tags.
pub(crate) async fn tags(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    Ok(fresh(&serde_json::json!({ "tags": app.node.tags() })))
}

/// `PUT` of all the node's tags: those that are not named go.
pub(crate) async fn put_tags(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    change_tags(&app, request, true).await
}

/// `PATCH` of some of the node's tags: `null` takes one off.
pub(crate) async fn patch_tags(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    change_tags(&app, request, false).await
}

async fn change_tags(app: &App, request: Request, replace: bool) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let mut upload = Upload::new(request.into_body(), app.options.body_timeout);
    let body = upload.whole(None, MAX_BODY).await?;
    let tags: BTreeMap<String, Option<String>> =
        serde_json::from_slice(&body).map_err(|error| {
            let form = r#"write a JSON object of texts, such as {"zone":"a","role":"db"}"#;
            Problem::bad(format!("these are no tags: {error}; {form}"))
        })?;
    if replace && tags.values().any(Option::is_none) {
        return Err(Problem::bad("PUT sets all tags, so none can be null; PATCH takes tags off"));
    }
    match app.node.change_tags(TagChange { replace, tags }).await {
        Ok(tags) => Ok(json::answer(json::to_vec(&serde_json::json!({ "tags": tags })))),
        Err(TagsError::Bad(error)) => Err(Problem::bad(error.to_string())),
        Err(error @ TagsError::Closed) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}
