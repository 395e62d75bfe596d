//! The key ring: who holds which key, and rotation. Keys may come in; only their ids go out.

use crate::http::app::App;
use crate::http::conn::Peer;
use crate::http::wire::body::Upload;
use crate::http::wire::json::fresh;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::seal::{Key, KeyId, Keyring, KeyringError};
use axum::extract::{Request, State};
use axum::http::{Extensions, StatusCode, Uri};
use axum::response::Response;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The text of a key, with room for a line break.
const MAX_BODY: usize = 128;

/// `GET` of the ring.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    answer(app.node.keyring().await)
}

/// `POST` that adds the key in the body, or a new one.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    may_change(&app, request.extensions())?;
    Query::parse(request.uri().query(), &[])?;
    let mut upload = Upload::new(request.into_body(), app.options.body_timeout);
    let body = Zeroizing::new(upload.whole(None, MAX_BODY).await?);
    let text = std::str::from_utf8(&body).map_or("?", str::trim);
    let key = match text {
        "" => None,
        text => Some(text.parse::<Key>().map_err(|error| Problem::bad(error.to_string()))?),
    };
    answer(app.node.add_key(key).await)
}

/// `POST` that makes a key primary.
pub(crate) async fn promote(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    may_change(&app, request.extensions())?;
    let query = Query::parse(request.uri().query(), &["id"])?;
    answer(app.node.use_key(id_of(&query)?).await)
}

/// `POST` that removes a key.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    may_change(&app, request.extensions())?;
    let query = Query::parse(request.uri().query(), &["id", "force"])?;
    answer(app.node.remove_key(id_of(&query)?, query.flag("force")?).await)
}

/// Only who knows the token, or is on this machine, changes keys, whatever else is allowed.
fn may_change(app: &App, extensions: &Extensions) -> Result<(), Problem> {
    // The token was looked at before this was reached.
    let peer = extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    let certified = app.options.tls.as_ref().is_some_and(|tls| tls.wants_certificates());
    if app.options.token.is_some() || certified || peer.is_some_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    let message = "the key ring is changed from the machine itself, with a token or with a client \
                   certificate: give the agent one with http_token_file, or tls.client_ca";
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

fn id_of(query: &Query) -> Result<KeyId, Problem> {
    let id = query.bytes("id").map(String::from_utf8_lossy).unwrap_or_default();
    id.parse().map_err(|error: &str| Problem::bad(format!("id: {error}")))
}

fn answer(done: Result<Keyring, KeyringError>) -> Result<Response, Problem> {
    let status = match &done {
        Ok(ring) => return Ok(fresh(ring)),
        Err(KeyringError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
        Err(KeyringError::Unknown(_)) => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::CONFLICT,
    };
    Err(Problem::new(status, done.err().map(|error| error.to_string()).unwrap_or_default()))
}
