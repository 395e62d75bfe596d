//! Everything that can be set on an agent, and where it comes from: flags over environment over a
//! TOML file over defaults.
//!
//! Every setting has one name, a dotted path as in the file (`gossip`, `spread.tree.fanout`). Its
//! environment variable is `RUMORMILL_` and that path in capitals with underscores. All sources
//! give their values by that name, so that every error can say which source is wrong.

mod error;
mod file;
mod names;
mod secret;
mod tls;

pub use error::{Origin, SettingsError};
pub use names::{env_name, names};
pub use secret::Secret;

use crate::builder::Builder;
use crate::seal::{Encryption, KeyRing, file as key_file};
use crate::seeds::Seed;
use crate::store::Fsync;
use crate::tls::TlsFiles;
use names::{from_text, read};
use rumormill_core::Config;
use rumormill_core::member::Tags;
use rumormill_core::member::record::MAX_NAME;
use secret::SecretSource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::Value;
use zeroize::Zeroizing;

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
    /// The folder in which entries and the node's id are kept; without one they live in memory.
    pub data: Option<PathBuf>,
    /// Members to join by: `host:port` of their gossip, or `srv+NAME` for SRV records.
    pub join: Vec<String>,
    /// What is said of the node in the member list, such as its zone and role.
    pub tags: Tags,
    /// Allows ports on other than loopback addresses without a key, password or token.
    pub insecure: bool,
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
            data: None,
            join: Vec::new(),
            tags: Tags::default(),
            insecure: false,
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

/// An address to serve at, or `"off"`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Listen(Option<SocketAddr>);

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|addr| Self(Some(addr))).map_err(|_| {
            format!("{text:?} is neither an address like \"127.0.0.1:7480\" nor \"off\"")
        })
    }
}

/// Settings while their sources are put over each other.
struct Draft {
    settings: Settings,
    protocol: toml::Table,
    keys: Option<(Origin, KeySource)>,
    redis_password: Option<(Origin, SecretSource)>,
    http_token: Option<(Origin, SecretSource)>,
    tls: tls::Given,
    /// Who set a field last.
    origins: BTreeMap<String, Origin>,
}

/// Where keys are to be had.
enum KeySource {
    /// The keys themselves, separated by commas or spaces.
    Text(Zeroizing<String>),
    File(PathBuf),
}

/// One value from one source.
struct Given {
    origin: Origin,
    field: String,
    value: Value,
}

impl Settings {
    /// Puts the sources over each other: `flags`, the environment as `env` answers it, the TOML
    /// file (`file`, or the one that `RUMORMILL_CONFIG` names), defaults.
    ///
    /// # Errors
    /// If a source cannot be read, names something unknown, or holds a bad value; says where.
    pub fn load(
        file: Option<&Path>,
        flags: &[Flag],
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let named = env("RUMORMILL_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut given = match file.or(named.as_deref()) {
            Some(path) => file::load(path)?,
            None => Vec::new(),
        };
        given.extend(from_env(env)?);
        given.extend(from_flags(flags)?);
        Draft::new(&given)?.finish(given)
    }

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
        table.insert("insecure".into(), self.insecure.into());
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
        if let Some(keys) = &self.keys {
            builder = builder.keys(keys.clone()).encryption(self.encryption);
        }
        if let Some(path) = &self.key_file {
            builder = builder.key_file(path.clone());
        }
        builder
    }
}

/// What comes from the environment, and is no setting that a file or flag could hold.
const SECRETS: [&str; 3] = ["key", "redis_password", "http_token"];

fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<Given>, SettingsError> {
    let mut given = Vec::new();
    // The secrets themselves come last, so that they go before the files that hold them.
    for field in names().into_iter().chain(SECRETS.map(Into::into)) {
        let variable = env_name(&field);
        // An empty variable counts as absent, which is what compose files make of an unset one.
        let Some(text) = env(&variable).filter(|text| !text.is_empty()) else { continue };
        let origin = Origin::Env(variable);
        let Ok(text) = text.into_string() else {
            return Err(SettingsError::bad(&origin, &field, "the value is not UTF-8"));
        };
        let value = from_text(&field, &text)
            .map_err(|message| SettingsError::bad(&origin, &field, message))?;
        given.push(Given { origin, field, value });
    }
    Ok(given)
}

fn from_flags(flags: &[Flag]) -> Result<Vec<Given>, SettingsError> {
    let known = names();
    let mut given = Vec::new();
    for Flag { flag, field, value } in flags {
        let origin = Origin::Flag(flag.clone());
        if !known.contains(field) {
            return Err(SettingsError::unknown(origin, field));
        }
        let value = from_text(field, value)
            .map_err(|message| SettingsError::bad(&origin, field, message))?;
        given.push(Given { origin, field: field.clone(), value });
    }
    Ok(given)
}

impl Draft {
    /// Begins with the preset that the strongest source names.
    fn new(given: &[Given]) -> Result<Self, SettingsError> {
        let mut config = Config::default();
        if let Some(preset) = given.iter().rfind(|given| given.field == "protocol") {
            let bad = |message| SettingsError::bad(&preset.origin, "protocol", message);
            let name: String = read(preset.value.clone()).map_err(bad)?;
            config = Config::preset(&name).ok_or_else(|| {
                bad(format!("there is no preset {name:?}; there are local, lan and wan"))
            })?;
        }
        let protocol = toml::Table::try_from(&config)
            .map_err(|error| SettingsError::Internal(error.to_string()))?;
        Ok(Self {
            settings: Settings { config, ..Settings::default() },
            protocol,
            keys: None,
            redis_password: None,
            http_token: None,
            tls: tls::Given::new(),
            origins: BTreeMap::new(),
        })
    }

    fn finish(mut self, given: Vec<Given>) -> Result<Settings, SettingsError> {
        for Given { origin, field, value } in given {
            self.put(&origin, &field, value)
                .map_err(|message| SettingsError::bad(&origin, &field, message))?;
            self.origins.insert(field, origin);
        }
        let Self { mut settings, origins, .. } = self;
        settings.config.check().map_err(|error| {
            let origin = origins.get(error.field).cloned().unwrap_or(Origin::Default);
            SettingsError::bad(
                &origin,
                error.field,
                format!("{} is not {}", error.got, error.expected),
            )
        })?;
        match self.keys {
            Some((origin, source)) => {
                let (field, read) = match &source {
                    KeySource::Text(text) => {
                        ("key", key_file::parse(&Zeroizing::new(text.replace([',', ' '], "\n"))))
                    }
                    KeySource::File(path) => ("key_file", key_file::read(path)),
                };
                let keys = read.map_err(|message| SettingsError::bad(&origin, field, message));
                settings.keys = Some(keys?);
                settings.key_file = match source {
                    KeySource::File(path) => Some(path),
                    KeySource::Text(_) => None,
                };
            }
            None => {
                if let Some(origin) = origins.get("encryption") {
                    let message = "there is no key: name a file of keys with key_file; `rumormill \
                                   keygen FILE` makes one";
                    return Err(SettingsError::bad(origin, "encryption", message));
                }
            }
        }
        for (source, field, secret) in [
            (self.redis_password, "redis_password_file", &mut settings.redis_password),
            (self.http_token, "http_token_file", &mut settings.http_token),
        ] {
            if let Some((origin, source)) = source {
                let read = source.read();
                *secret =
                    Some(read.map_err(|message| SettingsError::bad(&origin, field, message))?);
            }
        }
        if settings.redis.is_some() {
            settings.redis_tls = tls::files_of("redis", &self.tls)?;
        }
        if settings.http.is_some() {
            settings.http_tls = tls::files_of("http", &self.tls)?;
        }
        Ok(settings)
    }

    fn put(&mut self, origin: &Origin, field: &str, value: Value) -> Result<(), String> {
        let settings = &mut self.settings;
        match field {
            "name" => settings.name = Some(check_name(read(value)?)?),
            "gossip" => settings.gossip = read(value)?,
            "advertise" => settings.advertise = Some(read(value)?),
            "redis" => settings.redis = read::<Listen>(value)?.0,
            "http" => settings.http = read::<Listen>(value)?.0,
            "http_hosts" => settings.http_hosts = check_hosts(read(value)?)?,
            "data" => settings.data = Some(read(value)?),
            "join" => settings.join = check_seeds(read(value)?)?,
            "tags" => settings.tags = add_tags(&settings.tags, read(value)?)?,
            "insecure" => settings.insecure = read(value)?,
            "fsync" => settings.fsync = read(value)?,
            "encryption" => settings.encryption = read(value)?,
            "key" => {
                let text = Zeroizing::new(read(value)?);
                self.keys = Some((origin.clone(), KeySource::Text(text)));
            }
            "key_file" => self.keys = Some((origin.clone(), KeySource::File(read(value)?))),
            "log" => settings.log = read(value)?,
            "log_format" => settings.log_format = read(value)?,
            "redis_password" => {
                self.redis_password = Some((origin.clone(), SecretSource::Text(read(value)?)));
            }
            "redis_password_file" => {
                self.redis_password = Some((origin.clone(), SecretSource::File(read(value)?)));
            }
            "http_token" => {
                self.http_token = Some((origin.clone(), SecretSource::Text(read(value)?)));
            }
            "http_token_file" => {
                self.http_token = Some((origin.clone(), SecretSource::File(read(value)?)));
            }
            _ if field.starts_with("tls.") => {
                self.tls.insert(field.into(), (origin.clone(), read(value)?));
            }
            // Looked for at the start.
            "protocol" => {}
            _ => return self.put_protocol(field, value),
        }
        Ok(())
    }

    fn put_protocol(&mut self, field: &str, value: Value) -> Result<(), String> {
        let mut table = self.protocol.clone();
        let (parents, leaf) = field.rsplit_once('.').unwrap_or(("", field));
        let mut inner = &mut table;
        for part in parents.split('.').filter(|part| !part.is_empty()) {
            let Some(next) = inner.get_mut(part).and_then(Value::as_table_mut) else {
                return Err("there is no such setting".into());
            };
            inner = next;
        }
        inner.insert(leaf.into(), value);
        self.settings.config = read(Value::Table(table.clone()))?;
        self.protocol = table;
        Ok(())
    }
}

fn check_name(name: String) -> Result<String, String> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "{name:?} is no name: 1 to {MAX_NAME} bytes without control characters"
        ));
    }
    Ok(name)
}

fn check_seeds(seeds: Vec<String>) -> Result<Vec<String>, String> {
    for seed in &seeds {
        seed.parse::<Seed>()?;
    }
    Ok(seeds)
}

/// A source changes the tags that it names and leaves the others.
fn add_tags(held: &Tags, given: BTreeMap<String, String>) -> Result<Tags, String> {
    let held = held.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Tags::new(held.chain(given)).map_err(|error| error.to_string())
}

fn check_hosts(hosts: Vec<String>) -> Result<Vec<String>, String> {
    match hosts.iter().find(|host| host.is_empty() || host.contains([':', '/', ' '])) {
        Some(bad) => Err(format!("{bad:?} is no host name; write it without scheme and port")),
        None => Ok(hosts),
    }
}

#[cfg(test)]
mod tests;
