//! The HTTP API of an agent, as the commands use it.

use crate::args::{ClientArgs, TtlText, WaitArgs};
use crate::encoding::{from_base64, percent};
use crate::failure::{Code, Failure};
use crate::trust;
use rumormill::settings::Secret;
use rumormill::{Keyring, RingStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

/// Longest answer that is read at once, bytes: a page of large values, and JSON around it.
const MAX_ANSWER: u64 = 256 << 20;

/// One agent, spoken to over HTTP.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<Secret>,
}

/// The part of `/v1/status` that commands read.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    pub entries: u64,
    pub digest: String,
    pub members: Counts,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Counts {
    pub alive: u64,
}

/// A part of an agent's flight recorder.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberEvents {
    pub seen_by: String,
    pub seen_by_name: String,
    pub events: Vec<MemberEvent>,
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    #[serde(default)]
    pub more: bool,
}

/// Something that happened to a member. What a later version adds is kept for JSON.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct MemberEvent {
    pub at_ms: u64,
    pub about: String,
    pub what: String,
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// An entry as the API writes it in JSON.
#[derive(Clone, Debug, Deserialize)]
pub struct EntryJson {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    pub stamp: String,
    #[serde(default)]
    pub origin: String,
    pub expires_at_ms: Option<u64>,
}

impl EntryJson {
    pub fn key(&self) -> anyhow::Result<Vec<u8>> {
        bytes_of("key", self.key.as_deref(), self.key_base64.as_deref())
    }

    /// The value; `None` where there is none (a deletion, or keys only).
    pub fn value(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.value.is_none() && self.value_base64.is_none() {
            return Ok(None);
        }
        bytes_of("value", self.value.as_deref(), self.value_base64.as_deref()).map(Some)
    }
}

fn bytes_of(what: &str, text: Option<&str>, base64: Option<&str>) -> anyhow::Result<Vec<u8>> {
    match (text, base64) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(base64)) => from_base64(base64)
            .ok_or_else(|| anyhow::anyhow!("the agent's answer has a {what}_base64 that is none")),
        (None, None) => anyhow::bail!("the agent's answer has an entry without {what}"),
    }
}

/// A page of `/v1/kv`. Entries are kept as they came, so that JSON output passes them on.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub entries: Vec<serde_json::Value>,
    pub next: Option<String>,
}

/// A value with where it comes from.
#[derive(Debug)]
pub struct Found {
    pub value: Vec<u8>,
    pub stamp: String,
    pub origin: String,
    pub expires_at_ms: Option<u64>,
    pub owned: bool,
}

/// A write that was made.
#[derive(Debug)]
pub struct Written {
    pub stamp: String,
    /// How many members hold it, and of how many, if that was waited for.
    pub held: Option<(u64, u64)>,
}

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

/// What became of the wish for a pass of ring repair.
#[derive(Debug)]
pub enum Begun {
    /// One has begun.
    Now(RingStatus),
    /// One is under way.
    Before,
}

/// Why lines were not all written.
#[derive(Debug)]
pub enum BulkError {
    /// The agent refused this line, counted from 1; those before it are written.
    Line { line: u64, message: String },
    /// Anything else.
    Other(anyhow::Error),
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

impl Client {
    /// # Errors
    /// If the address or the token cannot be used.
    pub fn new(args: &ClientArgs) -> anyhow::Result<Self> {
        let token = match std::env::var("RUMORMILL_HTTP_TOKEN").ok().and_then(Secret::new) {
            _ if args.token_file.is_some() => {
                let path = args.token_file.as_deref().unwrap_or("".as_ref());
                Some(Secret::read(path).map_err(Failure::usage)?)
            }
            token => token,
        };
        // Who names certificates means HTTPS, unless the address says otherwise.
        let files = [&args.ca, &args.client_cert, &args.client_key];
        let scheme = if files.iter().any(|file| file.is_some()) { "https" } else { "http" };
        let base = base_of(&args.http, scheme).map_err(Failure::usage)?;
        let tls = base.starts_with("https://").then(|| trust::config(args)).transpose()?;
        Ok(Self::with(base, token, tls))
    }

    /// An agent on this machine, without a token.
    pub fn local(addr: SocketAddr) -> Self {
        Self::with(format!("http://{addr}"), None, None)
    }

    fn with(base: String, token: Option<Secret>, tls: Option<TlsConfig>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // An agent is a neighbour: never through a proxy.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .user_agent(concat!("rumormill/", env!("CARGO_PKG_VERSION")));
        let agent = match tls {
            Some(tls) => agent.tls_config(tls).build(),
            None => agent.build(),
        };
        Self { agent: agent.into(), base, token }
    }

    /// The address, as a URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn status_json(&self) -> anyhow::Result<serde_json::Value> {
        self.read_json(self.get("/v1/status")?)
    }

    pub fn status(&self) -> anyhow::Result<Status> {
        self.read_json(self.get("/v1/status")?)
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

    /// Another agent of the same cluster, asked in the same way: with the same token, and over
    /// HTTPS if this one is.
    pub fn at(&self, addr: SocketAddr) -> Self {
        let scheme = self.base.split("://").next().unwrap_or("http");
        Self { base: format!("{scheme}://{addr}"), ..self.clone() }
    }

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

    /// Begins a pass of ring repair.
    pub fn repair_ring(&self) -> anyhow::Result<Begun> {
        let request = self.authorize(self.agent.post(format!("{}/v1/repair/ring", self.base)));
        let response = request.send_empty().map_err(|error| self.lost(error))?;
        let status = response.status();
        if status != StatusCode::CONFLICT {
            return Ok(Begun::Now(self.read_json(self.check(response)?)?));
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

    pub fn leave(&self) -> anyhow::Result<()> {
        let request = self.authorize(self.agent.post(format!("{}/v1/leave", self.base)));
        self.check(request.send_empty().map_err(|error| self.lost(error))?)?;
        Ok(())
    }

    fn get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        self.check(self.send_get(path)?)
    }

    fn send_get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        let request = self.authorize(self.agent.get(format!("{}{path}", self.base)));
        request.call().map_err(|error| self.lost(error))
    }

    fn authorize<T>(&self, request: ureq::RequestBuilder<T>) -> ureq::RequestBuilder<T> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn read(&self, response: Response<Body>) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = response.into_body().into_with_config().limit(MAX_ANSWER).reader();
        reader.take(MAX_ANSWER).read_to_end(&mut bytes).map_err(|error| self.cut(&error))?;
        Ok(bytes)
    }

    fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        response: Response<Body>,
    ) -> anyhow::Result<T> {
        let bytes = self.read(response)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            anyhow::anyhow!("what answers at {} is no rumormill agent: {error}", self.base)
        })
    }

    /// An answer that says no, as an error.
    fn check(&self, response: Response<Body>) -> anyhow::Result<Response<Body>> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response).unwrap_or_default();
        Err(self.refusal(status, &body))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> anyhow::Error {
        let json = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        let said = json.get("error").and_then(serde_json::Value::as_str);
        let message = match said {
            _ if status == StatusCode::UNAUTHORIZED => format!(
                "the agent at {} wants a token: name its file with --token-file, or put it into \
                 RUMORMILL_HTTP_TOKEN",
                self.base
            ),
            Some(said) => format!("the agent refused: {said} (HTTP {})", status.as_u16()),
            None => format!("{} answered HTTP {}", self.base, status.as_u16()),
        };
        let code = if said.is_some() || status == StatusCode::UNAUTHORIZED {
            Code::Refused
        } else {
            Code::Failed
        };
        Failure::new(code, message).into()
    }

    /// A request that got no answer, as an error.
    fn lost(&self, error: ureq::Error) -> anyhow::Error {
        if let Some(error) = trust::cause(&error) {
            return trust::failure(&self.base, error);
        }
        let why = match &error {
            ureq::Error::Io(io) => match io.kind() {
                std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
                _ => io.to_string(),
            },
            ureq::Error::Timeout(_) => "timed out".into(),
            ureq::Error::HostNotFound => "there is no such host".into(),
            ureq::Error::ConnectionFailed => "connection failed".into(),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return Failure::usage(format!("{} is no address of an agent: {error}", self.base));
            }
            other => {
                let cause = other.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                format!("{other}{cause}")
            }
        };
        let message = format!(
            "no agent answers at {} ({why}). Start one with `rumormill agent`, or name another \
             with --http",
            self.base
        );
        Failure::new(Code::NoAgent, message).into()
    }

    /// An answer that broke off, as an error.
    pub fn cut(&self, error: &std::io::Error) -> anyhow::Error {
        if let Some(error) = trust::cause_of_io(error) {
            return trust::failure(&self.base, error);
        }
        let message = format!("the answer of {} broke off: {error}", self.base);
        Failure::new(Code::NoAgent, message).into()
    }
}

/// The URL before the path, from an address as people write it.
fn base_of(text: &str, scheme: &str) -> Result<String, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        _ => (scheme, text),
    };
    let rest = rest.trim_end_matches('/');
    if rest == "off" || rest.is_empty() {
        return Err(format!("{text:?} is no address of an agent; name one with --http host:port"));
    }
    if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
        return Err(format!("{text:?} is no address of an agent; write host:port"));
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(format!("{scheme}://127.0.0.1:{rest}"));
    }
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port || (rest.matches(':').count() > 1 && !rest.starts_with('[')) {
        return Err(format!("{text:?} has no port; write host:port"));
    }
    Ok(format!("{scheme}://{rest}"))
}

fn percent_tag(name: &str, value: &str) -> String {
    percent(format!("{name}={value}").as_bytes())
}

/// A time to live, as the API takes it.
pub fn ttl_query(ttl: Duration) -> String {
    format!("{}ms", ttl.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        assert_eq!(base_of("127.0.0.1:7480", "http").unwrap(), "http://127.0.0.1:7480");
        assert_eq!(base_of("http://a.example:80/", "http").unwrap(), "http://a.example:80");
        assert_eq!(base_of("[::1]:7480", "http").unwrap(), "http://[::1]:7480");
        assert_eq!(base_of("7480", "http").unwrap(), "http://127.0.0.1:7480");
        assert_eq!(base_of("7480", "https").unwrap(), "https://127.0.0.1:7480");
        assert_eq!(base_of("http://a:1", "https").unwrap(), "http://a:1");
        assert_eq!(base_of("https://a.example:1/", "http").unwrap(), "https://a.example:1");
        for bad in
            ["https://a", "ftp://a:1", "off", "", "a", "::1", "a:b", "a:1/x", "u@a:1", "a b:1"]
        {
            assert!(base_of(bad, "http").is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_at_the_door_is_said_so() {
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Client::local(free).status().unwrap_err();
        assert_eq!(crate::failure::code_of(&error), Code::NoAgent);
        let expected = format!(
            "no agent answers at http://{free} (connection refused). Start one with `rumormill \
             agent`, or name another with --http"
        );
        assert_eq!(error.to_string(), expected);
    }
}
