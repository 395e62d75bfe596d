//! Writes that wait for other members, reads that bound their staleness, and who holds a key.

use crate::http::app::App;
use crate::http::wire::json::fresh;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::{Query, decode};
use crate::jsonl;
use crate::report::{Coverage, CoverageError, StaleError};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use rumormill_core::base::time::millis;
use rumormill_core::data::Entry;
use rumormill_core::spread::coverage::Want;
use std::sync::Arc;
use std::time::Duration;

/// How long ago this node was last known to agree with another member, milliseconds.
const STALENESS: HeaderName = HeaderName::from_static("x-rumormill-staleness-ms");
/// `true` if the node may be on the small side of a partition.
const PARTITION: HeaderName = HeaderName::from_static("x-rumormill-partition-suspected");
/// How long a write waits for other members if nothing is said.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(600);
/// How long members have to say whether they hold a key.
const DEFAULT_SURVEY: Duration = Duration::from_secs(1);

/// The parameters of a write that waits.
pub(crate) const WAIT: &str = "wait";
pub(crate) const WAIT_TIMEOUT: &str = "wait_timeout";
/// The parameter of a read that bounds its staleness.
pub(crate) const MAX_STALENESS: &str = "max_staleness";

/// What a write waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    want: Want,
    limit: Duration,
}

impl Wait {
    /// Reads it, if the write is to wait at all.
    pub(crate) fn of(query: &Query) -> Result<Option<Self>, Problem> {
        let limit = query.duration(WAIT_TIMEOUT, MAX_WAIT)?;
        match query.bytes(WAIT) {
            Some(want) => {
                let want = String::from_utf8_lossy(want).parse();
                let want = want.map_err(|error| Problem::bad(format!("wait: {error}")))?;
                Ok(Some(Self { want, limit: limit.unwrap_or(DEFAULT_WAIT) }))
            }
            None if limit.is_some() => {
                Err(Problem::bad("wait_timeout goes with wait=all, a share (0.99) or a count (3)"))
            }
            None => Ok(None),
        }
    }

    /// Before the write: refuses a count that no time would help to.
    pub(crate) fn check(self, app: &App) -> Result<(), Problem> {
        let present = app.node.present();
        match self.want {
            Want::Members(count) if count > present => {
                let message = format!(
                    "wait={count} cannot be: {present} members are alive or suspected, this node \
                     included; nothing was written"
                );
                Err(Problem::new(StatusCode::CONFLICT, message).with("of", present))
            }
            _ => Ok(()),
        }
    }

    /// Waits for a write that was made; the answer says how many hold it.
    pub(crate) async fn carry_out(
        self,
        app: &App,
        entry: &Entry,
    ) -> Result<serde_json::Value, Problem> {
        let writes = [(entry.key(), entry.stamp())];
        let stamp = entry.stamp().to_string();
        match app.node.wait_until_held(writes, self.want, Some(self.limit)).await {
            Ok(Coverage { held, of, done: true, .. }) => {
                Ok(serde_json::json!({ "held": held, "of": of }))
            }
            Ok(Coverage { held, of, without, .. }) => {
                let limit = humantime::format_duration(self.limit);
                let message = format!(
                    "the write stands and goes on spreading, but after {limit} only {held} of {of} \
                     members are known to hold it; GET /v1/coverage/KEY says who does not"
                );
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, message)
                    .with("held", held)
                    .with("of", of)
                    .with("stamp", stamp)
                    .with("members_without", without))
            }
            Err(error) => {
                let message =
                    format!("the write stands, but how many hold it is not known: {error}");
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with("stamp", stamp))
            }
        }
    }
}

/// Reads only if this node is fresh enough, where the read asks for that; every answer says how
/// fresh it is then.
pub(crate) async fn read_within(
    app: &App,
    query: &Query,
    read: impl AsyncFnOnce() -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let Some(bound) = query.duration(MAX_STALENESS, Duration::MAX)? else {
        loaded(app)?;
        return read().await;
    };
    let fresh = app.node.fresh_within(bound).await;
    let staleness = match &fresh {
        Ok(staleness) => Some(*staleness),
        Err(StaleError::Stale { staleness, .. }) => *staleness,
        Err(StaleError::Bound { .. } | StaleError::Closed) => None,
    };
    let suspected = app.node.partition_suspected();
    let answer = match fresh {
        Ok(_) => read().await,
        Err(error) => Err(stale(error, staleness, bound, suspected)),
    };
    let mut response = answer.unwrap_or_else(Problem::into_response);
    if let Some(staleness) = staleness {
        response.headers_mut().insert(STALENESS, HeaderValue::from(millis(staleness)));
    }
    if suspected {
        response.headers_mut().insert(PARTITION, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Refuses a read that could show what was deleted while this node was down.
pub(crate) fn loaded(app: &App) -> Result<(), Problem> {
    match app.node.is_loading(app.options.loading) {
        false => Ok(()),
        true => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "this node has just started, and has yet to learn from another member what has changed \
             meanwhile; try again in a moment, or ask another node",
        )
        .header(axum::http::header::RETRY_AFTER, "1")),
    }
}

fn stale(
    error: StaleError,
    staleness: Option<Duration>,
    bound: Duration,
    suspected: bool,
) -> Problem {
    match error {
        StaleError::Bound { .. } => Problem::bad(error.to_string()),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            .with("staleness_ms", staleness.map(millis))
            .with("max_staleness_ms", millis(bound))
            .with("partition_suspected", suspected)
            .header(axum::http::header::RETRY_AFTER, "1"),
    }
}

/// `GET` of who holds what this node holds under a key.
pub(crate) async fn get(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["timeout"])?;
    let limit = query.duration("timeout", MAX_WAIT)?.unwrap_or(DEFAULT_SURVEY);
    let key = decode(uri.path().strip_prefix("/v1/coverage/").unwrap_or_default(), false)?;
    let found = app.node.coverage(&key, limit).await?.ok_or_else(|| {
        let message = format!(
            "this node holds nothing under the key {:?}, not even a deletion",
            String::from_utf8_lossy(&key)
        );
        Problem::new(StatusCode::NOT_FOUND, message)
    })?;
    let (text, base64) = jsonl::text_or_base64(&key);
    let name = if text.is_some() { "key" } else { "key_base64" };
    let coverage = found.coverage;
    Ok(fresh(&serde_json::json!({
        name: text.map(str::to_owned).or(base64),
        "stamp": found.stamp.to_string(),
        "deleted": found.deleted,
        "held": coverage.held,
        "of": coverage.of,
        "members_without": coverage.without,
        "all_answered": coverage.done,
    })))
}

impl From<CoverageError> for Problem {
    fn from(error: CoverageError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            .header(axum::http::header::RETRY_AFTER, "1")
    }
}
