//! Requests to one agent, and what their answers mean: refusals, lost connections, bounds.

use crate::args::ClientArgs;
use crate::failure::{Code, Failure};
use crate::trust;
use rumormill::settings::Secret;
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
    pub(super) agent: Agent,
    pub(super) base: String,
    token: Option<Secret>,
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

    /// Another agent of the same cluster, asked in the same way: with the same token, and over
    /// HTTPS if this one is.
    pub fn at(&self, addr: SocketAddr) -> Self {
        let scheme = self.base.split("://").next().unwrap_or("http");
        Self { base: format!("{scheme}://{addr}"), ..self.clone() }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        self.check(self.send_get(path)?)
    }

    pub(super) fn send_get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        let request = self.authorize(self.agent.get(format!("{}{path}", self.base)));
        request.call().map_err(|error| self.lost(error))
    }

    pub(super) fn authorize<T>(&self, request: ureq::RequestBuilder<T>) -> ureq::RequestBuilder<T> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    pub(super) fn read(&self, response: Response<Body>) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = response.into_body().into_with_config().limit(MAX_ANSWER).reader();
        reader.take(MAX_ANSWER).read_to_end(&mut bytes).map_err(|error| self.cut(&error))?;
        Ok(bytes)
    }

    pub(super) fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        response: Response<Body>,
    ) -> anyhow::Result<T> {
        let bytes = self.read(response)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            anyhow::anyhow!("what answers at {} is no rumormill agent: {error}", self.base)
        })
    }

    /// An answer that says no, as an error.
    pub(super) fn check(&self, response: Response<Body>) -> anyhow::Result<Response<Body>> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response).unwrap_or_default();
        Err(self.refusal(status, &body))
    }

    pub(super) fn refusal(&self, status: StatusCode, body: &[u8]) -> anyhow::Error {
        let json = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        let said = json.get("error").and_then(serde_json::Value::as_str);
        let message = match said {
            _ if status == StatusCode::UNAUTHORIZED => format!(
                "the agent at {} wants a token: name its file with --token-file, or put it into \
                 RUMORMILL_HTTP_TOKEN",
                self.base
            ),
            // Nothing was refused: what was asked for was done, but for the waiting.
            Some(said) if said.starts_with("the write stands") => said.to_owned(),
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
    pub(super) fn lost(&self, error: ureq::Error) -> anyhow::Error {
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
            ureq::Error::Protocol(_) => {
                let message = format!(
                    "what answers at {} does not speak HTTP: is that an agent's Redis or gossip \
                     port, or does it serve TLS (https://)? `rumormill agent` prints its HTTP address \
                     when it starts; name it with --http",
                    self.base
                );
                return Failure::new(Code::NoAgent, message).into();
            }
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
