//! What the node keeps aside, and what became of entries of a key.

use crate::http::app::App;
use crate::http::wire::body::Upload;
use crate::http::wire::json::fresh;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::jsonl::{from_base64, text_or_base64};
use crate::report::{StrayInfo, StraysDone};
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// Longest list of keys.
const MAX_BODY: usize = 1 << 20;

/// `GET` of a page of what is kept aside.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["limit", "after"])?;
    let limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let from = match query.bytes("after") {
        None => 0,
        Some(after) => std::str::from_utf8(after)
            .ok()
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .ok_or_else(|| Problem::bad("after must be \"next\" of the page before, as it came"))?,
    };
    let page = app.node.strays(from, limit).await?;
    let strays: Vec<Value> = page.strays.iter().map(shown).collect();
    Ok(fresh(&json!({
        "strays": strays,
        "count": page.count,
        "bytes": page.bytes,
        "next": page.next.map(|next| format!("{next:016x}")),
    })))
}

fn shown(stray: &StrayInfo) -> Value {
    let mut fields = Map::from_iter([named(&stray.key)]);
    if let Ok(Value::Object(more)) = serde_json::to_value(stray) {
        fields.extend(more);
    }
    fields.into()
}

/// A key as a field of JSON.
fn named(key: &[u8]) -> (String, Value) {
    let (text, base64) = text_or_base64(key);
    let name = if text.is_some() { "key" } else { "key_base64" };
    (name.into(), text.map(str::to_owned).or(base64).into())
}

/// Which of what is kept aside is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Which {
    keys: Vec<String>,
    keys_base64: Vec<String>,
    all: bool,
}

/// `POST` that makes what is kept aside new writes.
pub(crate) async fn restore(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let done = match keys(&app, request).await? {
        None => app.node.restore_all_strays().await?,
        Some(keys) => app.node.restore_strays(keys).await?,
    };
    Ok(answer("restored", &done))
}

/// `POST` that drops what is kept aside.
pub(crate) async fn discard(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let done = match keys(&app, request).await? {
        None => app.node.drop_all_strays().await?,
        Some(keys) => app.node.drop_strays(keys).await?,
    };
    Ok(answer("dropped", &done))
}

/// The keys in the body; `None` for all.
async fn keys(app: &App, request: Request) -> Result<Option<Vec<Box<[u8]>>>, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let mut upload = Upload::new(request.into_body(), app.options.body_timeout);
    let body = upload.whole(None, MAX_BODY).await?;
    which(&body)
}

fn which(body: &[u8]) -> Result<Option<Vec<Box<[u8]>>>, Problem> {
    let which: Which = serde_json::from_slice(body).map_err(|error| {
        let form = r#"write {"keys":["a","b"]}, {"keys_base64":["AAE="]} or {"all":true}"#;
        Problem::bad(format!("which strays are meant cannot be read: {error}; {form}"))
    })?;
    let mut keys: Vec<Box<[u8]>> =
        which.keys.into_iter().map(|key| key.into_bytes().into()).collect();
    for text in which.keys_base64 {
        let key = from_base64(&text)
            .ok_or_else(|| Problem::bad(format!("keys_base64: {text:?} is no base64")))?;
        keys.push(key.into());
    }
    match (which.all, keys.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(Problem::bad("name keys, or say \"all\": true, not both")),
        (false, true) => Err(Problem::bad("name keys, or say \"all\": true")),
        (false, false) => Ok(Some(keys)),
    }
}

fn answer(what: &str, done: &StraysDone) -> Response {
    let unknown = done.unknown.iter().map(|key| Value::from_iter([named(key)]));
    let refused = done.refused.iter().map(|(key, why)| {
        let error = ("error".to_owned(), Value::from(why.clone()));
        Value::from_iter([named(key), error])
    });
    fresh(&json!({
        what: done.done,
        "unknown": unknown.collect::<Vec<Value>>(),
        "refused": refused.collect::<Vec<Value>>(),
    }))
}

/// `GET` of what became of entries of a key.
pub(crate) async fn stories(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["about"])?;
    let about = query.bytes("about").ok_or_else(|| Problem::bad("name a key: ?about=KEY"))?;
    let told = app.node.key_stories(about).await?;
    let mut fields = Map::from_iter([named(about)]);
    fields.insert("events".into(), serde_json::to_value(&told).unwrap_or_default());
    Ok(fresh(&Value::from(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_which_are_meant() {
        let keys = |body: &str| which(body.as_bytes()).map_err(|problem| problem.text().to_owned());
        assert_eq!(keys(r#"{"all":true}"#), Ok(None));
        let two: Vec<Box<[u8]>> = vec![b"a"[..].into(), [0, 1].into()];
        assert_eq!(keys(r#"{"keys":["a"],"keys_base64":["AAE="]}"#), Ok(Some(two)));
        for (body, words) in [
            ("", "cannot be read"),
            ("{}", "name keys"),
            (r#"{"all":true,"keys":["a"]}"#, "not both"),
            (r#"{"keys_base64":["?"]}"#, "no base64"),
            (r#"{"key":"a"}"#, "unknown field"),
        ] {
            let error = keys(body).unwrap_err();
            assert!(error.contains(words), "{body}: {error}");
        }
    }
}
