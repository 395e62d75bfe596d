//! What is kept aside, and what became of entries.

use super::Rumormill;
use crate::command::{Command, StraysAct};
use crate::error::WriteError;
use crate::report::{KeyStory, Strays, StraysDone};
use tokio::sync::oneshot;

/// Strays of one page, and that are put back or dropped in one turn at most.
pub(crate) const MAX_STRAYS: usize = 1000;

impl Rumormill {
    /// What this node keeps aside, since it brought it back, the others do not hold it, and nothing
    /// proves what is right: at most `limit` entries, from `from` on, which is 0 or
    /// [`Strays::next`]. None of it is part of the data.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use rumormill::Rumormill;
    ///
    /// let node = Rumormill::builder().start().await?;
    /// for stray in node.strays(0, 100).await?.strays {
    ///     println!("{:?}: {}", stray.key, stray.why);
    ///     // Write it again, or let it go: node.drop_strays([stray.key]).
    ///     node.restore_strays([stray.key]).await?;
    /// }
    /// # node.shutdown().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn strays(&self, from: u64, limit: usize) -> Result<Strays, WriteError> {
        let (reply, page) = oneshot::channel();
        let command = Command::Strays { from, limit: limit.min(MAX_STRAYS), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        page.await.map_err(|_| WriteError::Closed)
    }

    /// Makes what is kept aside under these keys new writes of this node, which everyone gets.
    ///
    /// # Errors
    /// If the store takes no writes, or the node leaves or has shut down. What was put back before
    /// that stays.
    pub async fn restore_strays(
        &self,
        keys: impl IntoIterator<Item = impl Into<Box<[u8]>>>,
    ) -> Result<StraysDone, WriteError> {
        self.settle(StraysAct::Restore, keys.into_iter().map(Into::into).collect()).await
    }

    /// Drops what is kept aside under these keys, for good.
    ///
    /// # Errors
    /// As [`Rumormill::restore_strays`].
    pub async fn drop_strays(
        &self,
        keys: impl IntoIterator<Item = impl Into<Box<[u8]>>>,
    ) -> Result<StraysDone, WriteError> {
        self.settle(StraysAct::Drop, keys.into_iter().map(Into::into).collect()).await
    }

    /// Puts all that is kept aside back; see [`Rumormill::restore_strays`].
    ///
    /// # Errors
    /// The same.
    pub async fn restore_all_strays(&self) -> Result<StraysDone, WriteError> {
        self.settle_all(StraysAct::Restore).await
    }

    /// Drops all that is kept aside; see [`Rumormill::drop_strays`].
    ///
    /// # Errors
    /// The same.
    pub async fn drop_all_strays(&self) -> Result<StraysDone, WriteError> {
        self.settle_all(StraysAct::Drop).await
    }

    async fn settle_all(&self, act: StraysAct) -> Result<StraysDone, WriteError> {
        let (mut all, mut from) = (StraysDone::default(), 0);
        loop {
            let page = self.strays(from, MAX_STRAYS).await?;
            let keys = page.strays.into_iter().map(|stray| stray.key).collect();
            self.settle_some(act, keys, &mut all).await?;
            // What came meanwhile before this is for the next time.
            let Some(next) = page.next else { return Ok(all) };
            from = next;
        }
    }

    async fn settle(&self, act: StraysAct, keys: Vec<Box<[u8]>>) -> Result<StraysDone, WriteError> {
        let mut all = StraysDone::default();
        for some in keys.chunks(MAX_STRAYS) {
            self.settle_some(act, some.to_vec(), &mut all).await?;
        }
        Ok(all)
    }

    async fn settle_some(
        &self,
        act: StraysAct,
        keys: Vec<Box<[u8]>>,
        all: &mut StraysDone,
    ) -> Result<(), WriteError> {
        let (reply, outcomes) = oneshot::channel();
        let command = Command::SettleStrays { act, keys: keys.clone(), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        let outcomes = outcomes.await.map_err(|_| WriteError::Closed)??;
        for (key, outcome) in keys.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) if outcome.previous.is_some() => all.done += 1,
                Ok(_) => all.unknown(key),
                Err(refused) => all.refused(key, refused.to_string()),
            }
        }
        Ok(())
    }

    /// What became of entries of a key here that were collected, let go, kept aside, written anew,
    /// put back or dropped, the oldest first; as far as that is remembered since the start.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn key_stories(&self, key: impl AsRef<[u8]>) -> Result<Vec<KeyStory>, WriteError> {
        let (reply, told) = oneshot::channel();
        let command = Command::KeyStories { key: key.as_ref().into(), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        told.await.map_err(|_| WriteError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Agent;
    use crate::settings::Settings;
    use crate::store::{Change, Fsync, Store};
    use rumormill_core::NodeId;
    use rumormill_core::data::{Entry, Stamp};
    use serde_json::{Value, json};
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;

    /// Keeps entries aside in a folder in which no agent runs.
    fn plant(folder: &Path, keys: &[&str]) {
        let mut store = Store::open(folder, "rumormill", Fsync::Everysec).unwrap();
        let stray = |key: &&str| {
            let stamp = Stamp { time: 1_700_000_000_000 << 16, node: NodeId(7) };
            let key = key.as_bytes();
            Change::Stray(Arc::new(match key.ends_with(b"-") {
                true => Entry::tombstone(key, stamp),
                false => Entry::new(key, b"old", stamp, None),
            }))
        };
        store.append(&keys.iter().map(stray).collect::<Vec<_>>()).unwrap();
    }

    async fn start(folder: &Path) -> Agent {
        let mut settings =
            Settings { data: Some(folder.into()), redis: None, ..Settings::default() };
        settings.gossip.set_port(0);
        settings.http.as_mut().unwrap().set_port(0);
        assert_eq!(settings.config.cluster, "rumormill");
        Agent::start(settings).await.unwrap()
    }

    async fn ask(at: SocketAddr, path: &'static str, body: Option<Value>) -> (u16, String) {
        let asking = tokio::task::spawn_blocking(move || {
            let url = format!("http://{at}{path}");
            let config = ureq::Agent::config_builder().http_status_as_error(false).build();
            let agent = ureq::Agent::new_with_config(config);
            let mut response = match body {
                None => agent.get(url).call().unwrap(),
                Some(body) => agent.post(url).send(body.to_string()).unwrap(),
            };
            (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
        });
        asking.await.unwrap()
    }

    async fn json_of(at: SocketAddr, path: &'static str, body: Option<Value>) -> Value {
        let (status, text) = ask(at, path, body).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn strays_are_seen_and_decided_on_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        plant(folder.path(), &["a", "b", "c-", "d"]);
        let agent = start(folder.path()).await;
        let at = agent.addresses().http.unwrap();
        let node = agent.node().clone();
        assert_eq!(node.get("a"), None, "it is no data");
        let mut found = Vec::new();
        let page = json_of(at, "/v1/strays?limit=3", None).await;
        assert_eq!((&page["count"], &page["bytes"]), (&4.into(), &14.into()));
        found.extend(page["strays"].as_array().unwrap().clone());
        assert_eq!(found.len(), 3);
        let rest = node.strays(0, 10).await.unwrap();
        assert!(rest.strays.len() == 4 && rest.next.is_none());
        for stray in &found {
            assert_eq!(stray["written_ms"], 1_700_000_000_000_u64);
            assert!(stray["why"].as_str().unwrap().contains("nothing proves"), "{stray}");
            assert_eq!(
                (&stray["held"], &stray["writer"]),
                (&Value::Null, &"0000000000000007".into())
            );
        }
        let status = json_of(at, "/v1/status", None).await;
        assert_eq!((&status["strays"], &status["strays_bytes"]), (&4.into(), &14.into()));
        let warnings = status["warnings"].to_string();
        assert!(warnings.contains("rumormill strays list"), "{warnings}");

        let body = json!({ "keys": ["a", "c-", "none"] });
        let done = json_of(at, "/v1/strays/restore", Some(body)).await;
        assert_eq!((&done["restored"], &done["unknown"]), (&2.into(), &json!([{ "key": "none" }])));
        assert_eq!(node.get("a").unwrap().value(), Some(&b"old"[..]));
        let done = json_of(at, "/v1/strays/drop", Some(json!({ "keys_base64": ["Yg=="] }))).await;
        assert_eq!(done["dropped"], 1);
        for (path, body, words) in [
            ("/v1/strays/drop", json!({}), "name keys"),
            ("/v1/strays/restore", json!({ "any": 1 }), "cannot be read"),
        ] {
            let (status, text) = ask(at, path, Some(body)).await;
            assert!(status == 400 && text.contains(words), "{path}: {text}");
        }
        let (status, _) = ask(at, "/v1/strays?after=x", None).await;
        assert_eq!(status, 400);
        let told = json_of(at, "/v1/events/keys?about=a", None).await;
        assert_eq!((&told["key"], &told["events"][0]["end"]), (&"a".into(), &"restored".into()));
        let (_, metrics) = ask(at, "/metrics", None).await;
        for line in [
            "rumormill_strays 1",
            "rumormill_strays_restored_total 2",
            "rumormill_strays_dropped_total 1",
            "rumormill_strays_full 0",
            "rumormill_pass_refused{reason=\"minority\"} 0",
        ] {
            assert!(metrics.lines().any(|have| have == line), "{line}\n{metrics}");
        }
        agent.stop().await;

        let agent = start(folder.path()).await;
        let node = agent.node().clone();
        let left = node.strays(0, 10).await.unwrap();
        assert_eq!(left.strays.iter().map(|stray| &*stray.key).collect::<Vec<_>>(), [b"d"]);
        assert_eq!(node.get("a").unwrap().value(), Some(&b"old"[..]));
        // To delete what is not there writes nothing.
        assert_eq!((node.get("b"), node.status().tombstones), (None, 0));
        assert_eq!(node.drop_all_strays().await.unwrap().done, 1);
        assert_eq!(node.restore_all_strays().await.unwrap().done, 0);
        agent.stop().await;
        assert!(matches!(node.strays(0, 1).await, Err(WriteError::Closed)));
    }
}
