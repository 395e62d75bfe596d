//! Reading and writing entries.

use super::answers::{BulkError, Found, Page, Written};
use super::connection::Client;
use crate::args::{TtlText, WaitArgs};
use crate::encoding::{percent, ttl_query};
use serde::Deserialize;
use std::time::Duration;
use ureq::http::StatusCode;

#[derive(Deserialize)]
struct Held {
    held: Option<u64>,
    of: Option<u64>,
}

#[derive(Deserialize)]
struct BadLine {
    error: String,
    line: u64,
}

impl Client {
    /// The value of a key, if it exists.
    pub fn value(&self, key: &[u8]) -> anyhow::Result<Option<Found>> {
        let response = self.send_get(&format!("/v1/kv/{}", percent(key)))?;
        if response.status() == StatusCode::NOT_FOUND {
            // Only an agent says that a key is missing, and says it in JSON.
            return self.read_json::<serde_json::Value>(response).map(|_| None);
        }
        let response = self.check(response)?;
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (stamp, origin) = (header("x-rumormill-stamp"), header("x-rumormill-origin"));
        let expires_at_ms = header("x-rumormill-expires-at").parse().ok();
        let owned = header("x-rumormill-owned") == "true";
        Ok(Some(Found { value: self.read(response)?, stamp, origin, expires_at_ms, owned }))
    }

    /// Writes a value; returns its stamp.
    pub fn put(
        &self,
        key: &[u8],
        value: &[u8],
        ttl: Option<TtlText>,
        owned: bool,
    ) -> anyhow::Result<String> {
        self.put_waiting(key, value, ttl, owned, None).map(|written| written.stamp)
    }

    /// Writes a value, and waits until members hold it if that is wanted.
    pub fn put_waiting(
        &self,
        key: &[u8],
        value: &[u8],
        ttl: Option<TtlText>,
        owned: bool,
        wait: Option<&WaitArgs>,
    ) -> anyhow::Result<Written> {
        let ttl = ttl.map(|ttl| format!("ttl={}", ttl_query(ttl.0)));
        let owned = owned.then(|| "owned=1".to_owned());
        let query = query_of([ttl, owned, wait.and_then(wait_query)]);
        let request = self.agent.put(format!("{}/v1/kv/{}{query}", self.base, percent(key)));
        let request = self.authorize(request).content_type("application/octet-stream");
        let request = request.config().timeout_recv_response(Some(patience(wait))).build();
        let response = self.check(request.send(value).map_err(|error| self.lost(error))?)?;
        let stamp = response.headers().get("x-rumormill-stamp");
        let stamp = stamp.and_then(|stamp| stamp.to_str().ok()).unwrap_or_default().to_owned();
        // Read to its end, so that the connection can be used again.
        let held: Held = self.read_json(response)?;
        Ok(Written { stamp, held: held.held.zip(held.of) })
    }

    /// Deletes a key, and waits until members know if that is wanted; returns whether it was there.
    pub fn delete(&self, key: &[u8], wait: Option<&WaitArgs>) -> anyhow::Result<bool> {
        let query = query_of([wait.and_then(wait_query)]);
        let request = self.agent.delete(format!("{}/v1/kv/{}{query}", self.base, percent(key)));
        let request = self.authorize(request);
        let request = request.config().timeout_recv_response(Some(patience(wait))).build();
        let response = request.call().map_err(|error| self.lost(error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        let response = self.check(response)?;
        self.read(response).map(|_| true)
    }

    /// Who holds what the agent holds under a key; `None` if it holds nothing there.
    pub fn coverage(
        &self,
        key: &[u8],
        timeout: TtlText,
    ) -> anyhow::Result<Option<serde_json::Value>> {
        let path = format!("/v1/coverage/{}?timeout={}", percent(key), ttl_query(timeout.0));
        let request = self.authorize(self.agent.get(format!("{}{path}", self.base)));
        let limit = Duration::from_secs(30).saturating_add(timeout.0);
        let request = request.config().timeout_recv_response(Some(limit)).build();
        let response = request.call().map_err(|error| self.lost(error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return self.read_json::<serde_json::Value>(response).map(|_| None);
        }
        self.read_json(self.check(response)?).map(Some)
    }

    /// A page of entries in the order of their keys.
    pub fn page(
        &self,
        prefix: &[u8],
        after: Option<&str>,
        limit: u64,
        keys: bool,
    ) -> anyhow::Result<Page> {
        let mut path = format!("/v1/kv?prefix={}&limit={limit}", percent(prefix));
        if let Some(after) = after {
            path.push_str(&format!("&after={}", percent(after.as_bytes())));
        }
        if keys {
            path.push_str("&keys=1");
        }
        self.read_json(self.get(&path)?)
    }

    /// Writes lines of JSON, each an entry.
    pub fn bulk(&self, lines: &[u8]) -> Result<(), BulkError> {
        let request = self.authorize(self.agent.post(format!("{}/v1/kv", self.base)));
        let request = request.content_type("application/x-ndjson");
        let response = request.send(lines).map_err(|error| BulkError::Other(self.lost(error)))?;
        let status = response.status();
        if status != StatusCode::BAD_REQUEST {
            let response = self.check(response).map_err(BulkError::Other)?;
            // Read to its end, so that the connection can be used again.
            return self.read(response).map(drop).map_err(BulkError::Other);
        }
        let body = self.read(response).map_err(BulkError::Other)?;
        match serde_json::from_slice::<BadLine>(&body) {
            Ok(BadLine { error, line }) => Err(BulkError::Line { line, message: error }),
            Err(_) => Err(BulkError::Other(self.refusal(status, &body))),
        }
    }

    /// Everything as lines of JSON.
    pub fn export(&self, prefix: &[u8]) -> anyhow::Result<impl std::io::Read + 'static> {
        let response = self.get(&format!("/v1/export?prefix={}", percent(prefix)))?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// Changes as server-sent events, without an end.
    pub fn watch(&self, prefix: &[u8]) -> anyhow::Result<impl std::io::Read + 'static> {
        let response = self.get(&format!("/v1/watch?prefix={}", percent(prefix)))?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }
}

/// The parameters of a write that waits.
fn wait_query(wait: &WaitArgs) -> Option<String> {
    let want = wait.wait.as_ref()?;
    Some(format!("wait={want}&wait_timeout={}", ttl_query(wait.wait_timeout.0)))
}

fn query_of<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// How long an answer may take.
fn patience(wait: Option<&WaitArgs>) -> Duration {
    let wait = wait.map_or(Duration::ZERO, |wait| wait.wait_timeout.0);
    Duration::from_secs(30).saturating_add(wait)
}
