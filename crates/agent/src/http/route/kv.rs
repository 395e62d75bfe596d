//! Single keys as raw bytes, and lists of them.

use super::coverage::{MAX_STALENESS, WAIT, WAIT_TIMEOUT, Wait, read_within};
use crate::clock::wall_ms;
use crate::http::app::App;
use crate::http::wire::body::Upload;
use crate::http::wire::json;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::{Query, decode};
use crate::jsonl;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rumormill_core::base::time::millis;
use rumormill_core::data::{Entry, Expiry, Op, Refused};
use std::sync::Arc;

/// The write that an entry comes from.
pub(crate) const STAMP: HeaderName = HeaderName::from_static("x-rumormill-stamp");
/// The id of the node that wrote.
pub(crate) const ORIGIN: HeaderName = HeaderName::from_static("x-rumormill-origin");
/// When the value hides itself, milliseconds since 1970, as `expires_at_ms` in JSON.
pub(crate) const EXPIRES: HeaderName = HeaderName::from_static("x-rumormill-expires-at");
/// The value is seen only while the node that wrote it is a live member: `true`.
pub(crate) const OWNED: HeaderName = HeaderName::from_static("x-rumormill-owned");

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;
/// A page of a list ends after this many bytes, though never before its first entry.
const PAGE_BYTES: usize = 4 << 20;
/// Entries looked at before the readers' locks are given back.
const STEP: usize = 256;

/// `GET` and `HEAD` of a key.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &[MAX_STALENESS])?;
    let key = key(&uri)?;
    read_within(&app, &query, async || value(&app, &key, &headers)).await
}

fn value(app: &App, key: &[u8], headers: &HeaderMap) -> Result<Response, Problem> {
    let entry = app.node.get(key).ok_or_else(|| missing(key))?;
    if entry.is_opaque() {
        return Err(Refused::OtherKind(entry.kind()).into());
    }
    let unchanged = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|given| names(given.as_bytes(), &etag(&entry)));
    let mut response = match unchanged {
        // The length is that of the bytes that are not sent, as in a HEAD.
        true => {
            let length = entry.value().unwrap_or_default().len();
            (StatusCode::NOT_MODIFIED, [(header::CONTENT_LENGTH, length)]).into_response()
        }
        // Whatever the bytes are, a browser that is led here must not run them.
        false => (
            [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
            ],
            Body::from(Bytes::from_owner(Value(Arc::clone(&entry)))),
        )
            .into_response(),
    };
    describe(&entry, response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// `PUT` of a key.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    let key = key(&uri)?;
    let query = Query::parse(uri.query(), &["ttl", "owned", WAIT, WAIT_TIMEOUT])?;
    let (ttl, owned, wait) = (query.ttl()?, query.flag("owned")?, Wait::of(&query)?);
    unconditional(request.headers())?;
    wait.map_or(Ok(()), |wait| wait.check(&app))?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut upload = Upload::new(request.into_body(), app.options.body_timeout);
    let value = match upload.whole(length, app.node.limits().max_value).await {
        Ok(value) => value,
        Err(problem) => {
            upload.drain();
            return Err(problem);
        }
    };
    let expiry = match ttl {
        None => Expiry::Never,
        Some(ttl) => Expiry::At(wall_ms().saturating_add(millis(ttl))),
    };
    let op = Op::put(key.as_slice().into(), value.into(), expiry, owned);
    let outcome = app.node.write_one(op).await?;
    written(&app, outcome.written.as_deref(), wait).await
}

/// `DELETE` of a key.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait = Wait::of(&Query::parse(uri.query(), &[WAIT, WAIT_TIMEOUT])?)?;
    let key = key(&uri)?;
    unconditional(&headers)?;
    wait.map_or(Ok(()), |wait| wait.check(&app))?;
    let outcome = app.node.write_one(Op::Delete { key: key.as_slice().into() }).await?;
    match outcome.previous {
        None => Err(missing(&key)),
        Some(_) => written(&app, outcome.written.as_deref(), wait).await,
    }
}

/// `GET` of a page of entries.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["prefix", "limit", "after", "keys", MAX_STALENESS])?;
    read_within(&app, &query, async || page(&app, &query)).await
}

fn page(app: &App, query: &Query) -> Result<Response, Problem> {
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let with_values = !query.flag("keys")?;
    let mut after = match query.bytes("after") {
        None => None,
        Some(after) => Some(json::from_cursor(after).ok_or_else(|| {
            Problem::bad("after starts with base64: but is no base64; pass \"next\" as it came")
        })?),
    };
    let mut page = b"{\"entries\":[".to_vec();
    let (mut count, mut more) = (0, true);
    while more && count < limit && page.len() < PAGE_BYTES {
        // One more than is wanted tells whether there is a next page.
        let step = (limit - count).min(STEP);
        let entries = app.node.scan(query.prefix(), after.as_deref(), step + 1);
        more = entries.len() > step;
        for entry in entries.iter().take(step) {
            if page.len() >= PAGE_BYTES {
                more = true;
                break;
            }
            if count > 0 {
                page.push(b',');
            }
            page.extend_from_slice(&jsonl::shown(entry, with_values));
            after = Some(entry.key().to_vec());
            count += 1;
        }
    }
    let next = after.filter(|_| more).map(|key| json::to_cursor(&key));
    page.extend_from_slice(b"],\"next\":");
    page.extend_from_slice(&json::to_vec(&next));
    page.push(b'}');
    Ok(json::answer(page))
}

/// The key in a request's path: everything after `/v1/kv/`.
fn key(uri: &Uri) -> Result<Vec<u8>, Problem> {
    decode(uri.path().strip_prefix("/v1/kv/").unwrap_or_default(), false)
}

fn missing(key: &[u8]) -> Problem {
    let hint = match key {
        [] => "; to list keys, leave out the last slash: /v1/kv?prefix=",
        _ => "",
    };
    let key = String::from_utf8_lossy(key);
    Problem::new(StatusCode::NOT_FOUND, format!("there is no key {key:?}{hint}"))
}

/// Refuses writes that depend on what is there.
fn unconditional(headers: &HeaderMap) -> Result<(), Problem> {
    let conditions = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
    match conditions.iter().find(|name| headers.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            format!(
                "a conditional write ({name}) would need consensus: another node may accept a \
                 write at the same moment. Here every node takes writes at any time and the \
                 latest wins; leave the header out, or keep what needs a condition elsewhere"
            ),
        )),
    }
}

/// True if an `If-None-Match` names the tag.
fn names(given: &[u8], etag: &str) -> bool {
    given
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

fn etag(entry: &Entry) -> String {
    format!("\"{}\"", entry.stamp())
}

fn describe(entry: &Entry, headers: &mut HeaderMap) {
    let stamp = entry.stamp();
    let expires = entry.expires_at().map(|at| at.to_string());
    for (name, value) in [
        (STAMP, Some(stamp.to_string())),
        (ORIGIN, Some(stamp.node.to_string())),
        (header::ETAG, Some(etag(entry))),
        (EXPIRES, expires),
        (OWNED, entry.owner().map(|_| "true".into())),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// What a write left, without the value, and how many members hold it if it is to wait for them.
async fn written(
    app: &App,
    entry: Option<&Entry>,
    wait: Option<Wait>,
) -> Result<Response, Problem> {
    let Some(entry) = entry else { return Ok(json::answer("{}")) };
    let mut shown = jsonl::shown(entry, false);
    let mut problem = None;
    if let Some(wait) = wait {
        match wait.carry_out(app, entry).await {
            // Both are objects: one goes on where the other ends.
            Ok(held) => {
                shown.pop();
                shown.push(b',');
                shown.extend(json::to_vec(&held).into_iter().skip(1));
            }
            Err(error) => problem = Some(error),
        }
    }
    let mut response = match problem {
        None => json::answer(shown),
        Some(problem) => problem.into_response(),
    };
    describe(entry, response.headers_mut());
    Ok(response)
}

/// The value of an entry, sent without a copy.
struct Value(Arc<Entry>);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.0.value().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_lists() {
        assert!(names(b"\"x\"", "\"x\""));
        assert!(names(b"\"a\", W/\"x\"", "\"x\""));
        assert!(names(b"*", "\"x\""));
        assert!(!names(b"x", "\"x\""));
        assert!(!names(b"\"xy\"", "\"x\""));
    }
}
