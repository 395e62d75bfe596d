//! What an agent keeps aside, and what became of entries of a key.

use super::connection::Client;
use crate::encoding::{base64, percent};
use serde_json::{Value, json};
use std::time::Duration;

/// All that is kept aside may be much to write again.
const PATIENCE: Duration = Duration::from_secs(300);

impl Client {
    /// A page of what is kept aside.
    pub fn strays(&self, after: Option<&str>, limit: u64) -> anyhow::Result<Value> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.read_json(self.get(&format!("/v1/strays?limit={limit}{after}"))?)
    }

    /// Puts what is kept aside back (`restore`) or drops it (`drop`): these keys, or all.
    pub fn settle_strays(&self, what: &str, keys: &[&[u8]], all: bool) -> anyhow::Result<Value> {
        let (mut texts, mut others) = (Vec::new(), Vec::new());
        for key in keys {
            match std::str::from_utf8(key) {
                Ok(text) => texts.push(text),
                Err(_) => others.push(base64(key)),
            }
        }
        let body = json!({ "keys": texts, "keys_base64": others, "all": all });
        let request = self.authorize(self.agent.post(format!("{}/v1/strays/{what}", self.base)));
        let request = request.config().timeout_recv_response(Some(PATIENCE)).build();
        let body = serde_json::to_vec(&body)?;
        let request = request.content_type("application/json");
        self.read_json(self.check(request.send(&body[..]).map_err(|error| self.lost(error))?)?)
    }

    /// What became of entries of a key at the agent.
    pub fn key_events(&self, key: &[u8]) -> anyhow::Result<Value> {
        self.read_json(self.get(&format!("/v1/events/keys?about={}", percent(key)))?)
    }
}
