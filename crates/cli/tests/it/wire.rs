//! Speaking to an agent's ports byte by byte: what a client library hides (which replies of a
//! pipeline arrived before the agent died) is what tests want to know.

use super::process::Agent;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes this long unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Random numbers from a seed (splitmix64).
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A reply of the Redis protocol, as far as these tests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Option<Vec<u8>>),
}

/// A connection to the Redis port.
pub struct Redis(BufReader<TcpStream>);

impl Redis {
    pub fn connect(addr: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn to(agent: &Agent) -> Self {
        Self::connect(agent.hello["redis"].as_str().unwrap()).unwrap()
    }

    /// Sends commands without waiting for their replies.
    pub fn send(&mut self, commands: &[Vec<&[u8]>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for command in commands {
            write!(bytes, "*{}\r\n", command.len())?;
            for word in command {
                write!(bytes, "${}\r\n", word.len())?;
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        self.0.get_mut().write_all(&bytes)
    }

    /// The next reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let bad = || io::Error::new(io::ErrorKind::UnexpectedEof, "the stream has ended");
        let text = line.strip_suffix("\r\n").ok_or_else(bad)?;
        let (kind, rest) = text.split_at(1);
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Int(number()?),
            "$" => match usize::try_from(number()?) {
                Err(_) => Reply::Bulk(None),
                Ok(len) => {
                    let mut bytes = vec![0; len + 2];
                    self.0.read_exact(&mut bytes)?;
                    bytes.truncate(len);
                    Reply::Bulk(Some(bytes))
                }
            },
            _ => panic!("unexpected reply {text:?}"),
        })
    }

    pub fn ask(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        self.send(&[words.to_vec()])?;
        self.reply()
    }
}

/// An HTTP client that keeps its connections.
pub fn browser() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// Status and JSON (null if it is none) of an answer.
pub fn put(
    browser: &ureq::Agent,
    http: &str,
    key: &str,
    value: &[u8],
) -> Result<(u16, Value), ureq::Error> {
    let mut answer = browser.put(format!("http://{http}/v1/kv/{key}")).send(value)?;
    let body = answer.body_mut().read_to_vec()?;
    Ok((answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
}

/// As [`put`], for a value; what it is comes as it is.
pub fn get(browser: &ureq::Agent, http: &str, key: &str) -> (u16, Vec<u8>) {
    let mut answer = browser.get(format!("http://{http}/v1/kv/{key}")).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
}

/// As [`put`], for a deletion.
pub fn delete(browser: &ureq::Agent, http: &str, key: &str) -> Result<(u16, Value), ureq::Error> {
    let mut answer = browser.delete(format!("http://{http}/v1/kv/{key}")).call()?;
    let body = answer.body_mut().read_to_vec()?;
    Ok((answer.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
}

impl Agent {
    /// `/v1/status`, if it answers.
    pub fn try_status(&self) -> Option<Value> {
        get_json(&self.http, "/v1/status")
    }

    /// `/v1/status`.
    pub fn status(&self) -> Value {
        self.try_status().expect("the agent answers")
    }

    /// A number in `/v1/status`, by a path such as `/traffic/sent_bytes`.
    pub fn number(&self, path: &str) -> u64 {
        let status = self.status();
        let found = status.pointer(path).and_then(Value::as_u64);
        found.unwrap_or_else(|| panic!("no number at {path} in {status}"))
    }

    /// Members in a state.
    pub fn members(&self, state: &str) -> u64 {
        self.number(&format!("/members/{state}"))
    }

    pub fn id(&self) -> String {
        self.hello["id"].as_str().unwrap().to_owned()
    }

    pub fn gossip(&self) -> &str {
        self.hello["gossip"].as_str().unwrap()
    }

    /// Everything that it holds, by its export: keys with values and stamps. Text only.
    pub fn holds(&self) -> BTreeMap<String, (String, String)> {
        let url = format!("http://{}/v1/export", self.http);
        let mut answer = browser().get(url).call().unwrap();
        assert_eq!(answer.status(), 200);
        let lines = answer.body_mut().with_config().limit(u64::MAX).read_to_string().unwrap();
        let held = lines.lines().map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            (text("key"), (text("value"), text("stamp")))
        });
        held.collect()
    }

    /// Memory that it has in use, KiB.
    pub fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

fn get_json(http: &str, path: &str) -> Option<Value> {
    let mut answer = browser().get(format!("http://{http}{path}")).call().ok()?;
    serde_json::from_slice(&answer.body_mut().read_to_vec().ok()?).ok()
}

/// A stamp as shown, so that stamps can be compared.
pub fn order(stamp: &str) -> (u64, u64, u64) {
    let read = || {
        let (time, node) = stamp.split_once('@')?;
        let (ms, count) = time.split_once('.')?;
        let node = u64::from_str_radix(node, 16).ok()?;
        Some((ms.parse().ok()?, count.parse().ok()?, node))
    };
    read().unwrap_or_else(|| panic!("{stamp:?} is no stamp"))
}
