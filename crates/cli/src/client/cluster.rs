//! An agent's state, its members and keys, and repair.

use super::answers::{Begun, MemberEvents, Status};
use super::connection::Client;
use crate::encoding::percent;
use rumormill::{Handover, Keyring, RingStatus};
use std::collections::BTreeMap;
use std::time::Duration;
use ureq::http::StatusCode;

impl Client {
    pub fn status_json(&self) -> anyhow::Result<serde_json::Value> {
        self.read_json(self.get("/v1/status")?)
    }

    pub fn status(&self) -> anyhow::Result<Status> {
        self.read_json(self.get("/v1/status")?)
    }

    /// True if the agent says that it can do its work.
    pub fn is_ready(&self) -> anyhow::Result<bool> {
        Ok(self.send_get("/readyz")?.status().is_success())
    }

    pub fn members_json(&self) -> anyhow::Result<serde_json::Value> {
        self.members_with(&[], None)
    }

    /// The members with all these tags, and in this state.
    pub fn members_with(
        &self,
        tags: &[(String, String)],
        state: Option<&str>,
    ) -> anyhow::Result<serde_json::Value> {
        let tags = tags.iter().map(|(name, value)| format!("tag={}", percent_tag(name, value)));
        let state = state.map(|state| format!("state={state}"));
        let query: Vec<String> = tags.chain(state).collect();
        self.read_json(self.get(&format!("/v1/members?{}", query.join("&")))?)
    }

    /// The agent's own tags.
    pub fn tags(&self) -> anyhow::Result<serde_json::Value> {
        self.read_json(self.get("/v1/tags")?)
    }

    /// Changes some of the agent's tags; returns all.
    pub fn change_tags(
        &self,
        change: &BTreeMap<&str, Option<&str>>,
    ) -> anyhow::Result<serde_json::Value> {
        let request = self.authorize(self.agent.patch(format!("{}/v1/tags", self.base)));
        let request = request.content_type("application/json");
        let body = serde_json::to_vec(change)?;
        self.read_json(self.check(request.send(&body[..]).map_err(|error| self.lost(error))?)?)
    }

    /// What happened to a member lately, as the agent saw it.
    pub fn member_events(&self, about: &str, limit: u64) -> anyhow::Result<MemberEvents> {
        let about = percent(about.as_bytes());
        self.read_json(self.get(&format!("/v1/events/members?about={about}&limit={limit}"))?)
    }

    /// What repair did lately, at one agent.
    pub fn repair_events(
        &self,
        about: Option<&str>,
        calm: bool,
        limit: u64,
    ) -> anyhow::Result<serde_json::Value> {
        let about = about.map(|about| format!("&about={}", percent(about.as_bytes())));
        let (about, calm) = (about.unwrap_or_default(), u8::from(calm));
        let path = format!("/v1/events/repair?limit={limit}&calm={calm}{about}");
        self.read_json(self.get(&path)?)
    }

    pub fn keyring(&self) -> anyhow::Result<Keyring> {
        self.read_json(self.get("/v1/keyring")?)
    }

    /// Adds a key, or a new one if the text is empty.
    pub fn add_key(&self, text: &str) -> anyhow::Result<Keyring> {
        self.change_keyring("add", text)
    }

    pub fn use_key(&self, id: &str) -> anyhow::Result<Keyring> {
        self.change_keyring(&format!("use?id={id}"), "")
    }

    pub fn remove_key(&self, id: &str, force: bool) -> anyhow::Result<Keyring> {
        self.change_keyring(&format!("remove?id={id}&force={}", u8::from(force)), "")
    }

    fn change_keyring(&self, what: &str, body: &str) -> anyhow::Result<Keyring> {
        let request = self.agent.post(format!("{}/v1/keyring/{what}", self.base));
        let response = self.authorize(request).send(body).map_err(|error| self.lost(error))?;
        self.read_json(self.check(response)?)
    }

    /// Where ring repair stands.
    pub fn ring(&self) -> anyhow::Result<RingStatus> {
        self.read_json(self.get("/v1/repair/ring")?)
    }

    /// Begins a pass of ring repair; `first` makes the first one without who is missing.
    pub fn repair_ring(&self, first: bool) -> anyhow::Result<Begun> {
        let url = format!("{}/v1/repair/ring?first={}", self.base, u8::from(first));
        let request = self.authorize(self.agent.post(url));
        let response = request.send_empty().map_err(|error| self.lost(error))?;
        let status = response.status();
        if status != StatusCode::CONFLICT {
            return Ok(Begun::Now(Box::new(self.read_json(self.check(response)?)?)));
        }
        let body = self.read(response)?;
        let json = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
        match json.get("reason").and_then(serde_json::Value::as_str) {
            Some("under_way") => Ok(Begun::Before),
            _ => Err(self.refusal(status, &body)),
        }
    }

    /// Waits no longer for a member.
    pub fn forget(&self, member: &str, force: bool) -> anyhow::Result<serde_json::Value> {
        let (member, force) = (percent(member.as_bytes()), u8::from(force));
        let url = format!("{}/v1/members/{member}/forget?force={force}", self.base);
        let request = self.authorize(self.agent.post(url));
        self.read_json(self.check(request.send_empty().map_err(|error| self.lost(error))?)?)
    }

    /// Makes the agent leave, within this time or at once; returns when it has.
    pub fn leave(&self, within: Option<Duration>) -> anyhow::Result<serde_json::Value> {
        let query = match within {
            Some(limit) => format!("timeout={}ms", limit.as_millis()),
            None => "now=1".into(),
        };
        let request = self.authorize(self.agent.post(format!("{}/v1/leave?{query}", self.base)));
        // It answers when it has left.
        let patience = within.unwrap_or_default() + Duration::from_secs(30);
        let request = request.config().timeout_recv_response(Some(patience)).build();
        self.read_json(self.check(request.send_empty().map_err(|error| self.lost(error))?)?)
    }

    /// How far the agent is with leaving, if it leaves.
    pub fn leaving(&self) -> anyhow::Result<Option<Handover>> {
        #[derive(serde::Deserialize)]
        struct Answer {
            leaving: Option<Handover>,
        }
        let answer: Answer = self.read_json(self.get("/v1/leave")?)?;
        Ok(answer.leaving)
    }
}

fn percent_tag(name: &str, value: &str) -> String {
    percent(format!("{name}={value}").as_bytes())
}
