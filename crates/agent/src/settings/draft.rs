//! Settings while their sources are put over each other.

use super::Settings;
use super::error::{Origin, SettingsError};
use super::given::Given;
use super::names::read;
use super::secret::SecretSource;
use super::tls;
use crate::clock::MAX_LEAVE;
use crate::reach::advertisable;
use crate::seal::file as key_file;
use crate::seeds::Seed;
use rumormill_core::Config;
use rumormill_core::base::time;
use rumormill_core::member::Tags;
use rumormill_core::member::record::MAX_NAME;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;
use zeroize::Zeroizing;

/// A duration as people write it.
#[derive(Deserialize)]
struct Span(#[serde(deserialize_with = "time::text::deserialize")] Duration);

/// What the sources up to now come to.
pub(super) struct Draft {
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
            format!(
                "{text:?} is neither an address (IP:PORT such as \"127.0.0.1:7480\"; names are not \
                 looked up here) nor \"off\""
            )
        })
    }
}

impl Draft {
    /// Begins with the preset that the strongest source names.
    pub(super) fn new(given: &[Given]) -> Result<Self, SettingsError> {
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

    pub(super) fn finish(mut self, given: Vec<Given>) -> Result<Settings, SettingsError> {
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
            "gossip" => settings.gossip = check_address(read(value)?)?,
            "advertise" => settings.advertise = Some(check_told(read(value)?)?),
            "redis" => settings.redis = read::<Listen>(value)?.0,
            "http" => settings.http = read::<Listen>(value)?.0,
            "http_hosts" => settings.http_hosts = check_hosts(read(value)?)?,
            "loading" => settings.loading = read::<Span>(value)?.0,
            "data" => settings.data = Some(read(value)?),
            "join" => settings.join = check_seeds(read(value)?)?,
            "tags" => settings.tags = add_tags(&settings.tags, read(value)?)?,
            "insecure" => settings.insecure = read(value)?,
            "ephemeral" => settings.ephemeral = read(value)?,
            "allow_shared_name" => settings.allow_shared_name = read(value)?,
            "on_terminate" => settings.on_terminate = read(value)?,
            "leave_timeout" => settings.leave_timeout = check_leave(read::<Span>(value)?.0)?,
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

/// An address to bind, as it is written. Names are not looked up: which of their addresses would be
/// bound is anybody's guess.
fn check_address(text: String) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "{text:?} is no address: write IP:PORT such as \"127.0.0.1:7400\" or \"[::1]:7400\"; \
             names are not looked up here"
        )
    })
}

/// An address that others are told.
fn check_told(text: String) -> Result<SocketAddr, String> {
    let addr = check_address(text)?;
    advertisable(addr).map(|()| addr)
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

fn check_leave(limit: Duration) -> Result<Duration, String> {
    match limit.is_zero() || limit > MAX_LEAVE {
        true => Err(format!("{} is not 1ms to 10m", humantime::format_duration(limit))),
        false => Ok(limit),
    }
}

fn check_hosts(hosts: Vec<String>) -> Result<Vec<String>, String> {
    match hosts.iter().find(|host| host.is_empty() || host.contains([':', '/', ' '])) {
        Some(bad) => Err(format!("{bad:?} is no host name; write it without scheme and port")),
        None => Ok(hosts),
    }
}
