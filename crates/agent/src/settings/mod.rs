//! Everything that can be set on an agent, and where it comes from: flags over environment over a
//! TOML file over defaults.
//!
//! Every setting has one name, a dotted path as in the file (`gossip`, `spread.tree.fanout`). Its
//! environment variable is `RUMORMILL_` and that path in capitals with underscores. All sources
//! give their values by that name, so that every error can say which source is wrong.

mod draft;
mod error;
mod file;
mod given;
mod load;
mod names;
mod secret;
mod tls;
mod variables;

pub use error::{Origin, SettingsError};
pub use names::{env_name, names};
pub use secret::Secret;
pub use variables::check_variables;

use crate::builder::Builder;
use crate::clock::{DEFAULT_LEAVE, DEFAULT_LOADING};
use crate::seal::{Encryption, KeyRing};
use crate::store::Fsync;
use crate::tls::TlsFiles;
use rumormill_core::Config;
use rumormill_core::member::Tags;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// Where gossip is received by default.
pub const DEFAULT_GOSSIP: SocketAddr = loopback(7400);
/// Where the Redis protocol is served by default.
pub const DEFAULT_REDIS: SocketAddr = loopback(6380);
/// Where HTTP is served by default.
pub const DEFAULT_HTTP: SocketAddr = loopback(7480);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Everything of an agent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A name for people, 1 to 64 bytes; without one it is made of the node's id.
    pub name: Option<String>,
    /// Where to receive gossip, UDP and TCP; port 0 takes a free one.
    pub gossip: SocketAddr,
    /// The gossip address that others are told, where it differs from the bound one.
    pub advertise: Option<SocketAddr>,
    /// Where to serve the Redis protocol; `None` ("off") serves none.
    pub redis: Option<SocketAddr>,
    /// Where to serve HTTP; `None` ("off") serves none.
    pub http: Option<SocketAddr>,
    /// Names under which browsers may reach the HTTP port, beside addresses and `localhost`.
    pub http_hosts: Vec<String>,
    /// How long after a start from a data folder clients are told at most to come back, while the
    /// node has not agreed with another member yet.
    pub loading: Duration,
    /// The folder in which entries and the node's id are kept; without one they live in memory.
    pub data: Option<PathBuf>,
    /// Members to join by: `host:port` of their gossip, or `srv+NAME` for SRV records.
    pub join: Vec<String>,
    /// What is said of the node in the member list, such as its zone and role.
    pub tags: Tags,
    /// Allows ports on other than loopback addresses without a key, password or token.
    pub insecure: bool,
    /// Whether the agent never comes back with old data, though it has a folder.
    pub ephemeral: bool,
    /// Whether the agent goes on although another member of its name is alive.
    pub allow_shared_name: bool,
    /// What the agent does when it is asked to end.
    pub on_terminate: OnTerminate,
    /// How long it may take to hand over what it has, if it leaves then.
    pub leave_timeout: Duration,
    /// When writes are forced to the disk.
    pub fsync: Fsync,
    /// The keys of the cluster; without any gossip is not encrypted.
    pub keys: Option<KeyRing>,
    /// The file that they came from, if they did; it is written again when the ring changes.
    pub key_file: Option<PathBuf>,
    /// What is done with the keys.
    pub encryption: Encryption,
    /// The password that Redis clients must give.
    pub redis_password: Option<Secret>,
    /// The bearer token that HTTP clients must give.
    pub http_token: Option<Secret>,
    /// The certificate of the Redis port; without one it is served in plain.
    pub redis_tls: Option<TlsFiles>,
    /// The certificate of the HTTP port; without one it is served in plain.
    pub http_tls: Option<TlsFiles>,
    /// What is logged: a level, or a filter as `RUST_LOG` takes it.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// The settings of the protocol.
    pub config: Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            gossip: DEFAULT_GOSSIP,
            advertise: None,
            redis: Some(DEFAULT_REDIS),
            http: Some(DEFAULT_HTTP),
            http_hosts: Vec::new(),
            loading: DEFAULT_LOADING,
            data: None,
            join: Vec::new(),
            tags: Tags::default(),
            insecure: false,
            ephemeral: false,
            allow_shared_name: false,
            on_terminate: OnTerminate::default(),
            leave_timeout: DEFAULT_LEAVE,
            fsync: Fsync::default(),
            keys: None,
            key_file: None,
            encryption: Encryption::default(),
            redis_password: None,
            http_token: None,
            redis_tls: None,
            http_tls: None,
            log: "info".into(),
            log_format: LogFormat::default(),
            config: Config::default(),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// What an agent does when it is asked to end: by a signal, or the end of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTerminate {
    /// It stops and stays a member: a restart is no departure. Its name keeps its place, and nothing
    /// has to be handed over.
    #[default]
    Stop,
    /// It hands over what it has and says goodbye: nobody probes it, and no pass waits for it.
    Leave,
}

/// A setting that was given as a flag.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as the user wrote it, for errors.
    pub flag: String,
    /// The setting's name.
    pub field: String,
    /// Its value as text.
    pub value: String,
}

impl Settings {
    /// The settings as a TOML file that means the same, without secrets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut table = toml::Table::new();
        let text = |text: &dyn ToString| Value::String(text.to_string());
        let listen = |addr: Option<SocketAddr>| addr.map_or(text(&"off"), |addr| text(&addr));
        table.extend(self.name.iter().map(|name| ("name".into(), text(name))));
        table.insert("gossip".into(), text(&self.gossip));
        table.extend(self.advertise.iter().map(|addr| ("advertise".into(), text(addr))));
        table.insert("redis".into(), listen(self.redis));
        table.insert("http".into(), listen(self.http));
        table.extend(self.data.iter().map(|path| ("data".into(), text(&path.display()))));
        let list = |texts: &[String]| Value::Array(texts.iter().map(|one| text(one)).collect());
        table.insert("http_hosts".into(), list(&self.http_hosts));
        table.insert("join".into(), list(&self.join));
        table.insert("loading".into(), text(&humantime::format_duration(self.loading)));
        table.insert("insecure".into(), self.insecure.into());
        table.insert("ephemeral".into(), self.ephemeral.into());
        table.insert("allow_shared_name".into(), self.allow_shared_name.into());
        table.extend(Value::try_from(self.on_terminate).map(|what| ("on_terminate".into(), what)));
        table.insert("leave_timeout".into(), text(&humantime::format_duration(self.leave_timeout)));
        table.extend(Value::try_from(self.fsync).map(|fsync| ("fsync".into(), fsync)));
        let file = self.key_file.iter();
        table.extend(file.map(|path| ("key_file".into(), text(&path.display()))));
        if self.keys.is_some() {
            let mode = Value::try_from(self.encryption);
            table.extend(mode.map(|mode| ("encryption".into(), mode)));
        }
        table.insert("log".into(), text(&self.log));
        table.extend(Value::try_from(self.log_format).map(|format| ("log_format".into(), format)));
        if !self.tags.is_empty() {
            table.extend(Value::try_from(&self.tags).map(|tags| ("tags".into(), tags)));
        }
        let mut tls = toml::Table::new();
        for (port, files) in [("redis", &self.redis_tls), ("http", &self.http_tls)] {
            let files = files.as_ref().and_then(|files| Value::try_from(files).ok());
            tls.extend(files.map(|files| (port.into(), files)));
        }
        if !tls.is_empty() {
            table.insert("tls".into(), tls.into());
        }
        table.extend(toml::Table::try_from(&self.config).unwrap_or_default());
        toml::to_string_pretty(&table).unwrap_or_default()
    }

    /// A builder of the node, without the services beside it.
    #[must_use]
    pub fn builder(&self) -> Builder {
        let mut builder = Builder::default()
            .gossip(self.gossip)
            .join(self.join.iter().cloned())
            .tags(self.tags.clone())
            .insecure(self.insecure)
            .fsync(self.fsync)
            .config(self.config.clone());
        if let Some(name) = &self.name {
            builder = builder.name(name.clone());
        }
        if let Some(advertise) = self.advertise {
            builder = builder.advertise(advertise);
        }
        if let Some(data) = &self.data {
            builder = builder.data(data.clone());
        }
        if self.ephemeral {
            builder = builder.ephemeral();
        }
        if let Some(keys) = &self.keys {
            builder = builder.keys(keys.clone()).encryption(self.encryption);
        }
        if let Some(path) = &self.key_file {
            builder = builder.key_file(path.clone());
        }
        builder
    }
}

#[cfg(test)]
mod tests;
