//! Settings of an embedded node, and its start.

use crate::driver::Driver;
use crate::error::StartError;
use crate::handle::{Rumormill, Shared, Snapshot, wall_ms};
use crate::view::View;
use rumormill_core::{Config, Identity, Instant, Node, NodeId, Now};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Settings of a node; every one has a default.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) name: Option<String>,
    pub(crate) gossip: SocketAddr,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) redis: Option<SocketAddr>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) join: Vec<String>,
    pub(crate) insecure: bool,
    pub(crate) fsync: Fsync,
    pub(crate) config: Config,
}

/// When writes are forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Once a second: a killed process loses nothing, a power cut at most a second.
    #[default]
    Everysec,
    /// Before every acknowledgement.
    Always,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            gossip: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            redis: None,
            http: None,
            data: None,
            join: Vec::new(),
            insecure: false,
            fsync: Fsync::default(),
            config: Config::default(),
        }
    }
}

impl Builder {
    /// A name for people; without it one is made of the id.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where to receive gossip, UDP and TCP; port 0 takes a free one. Default `127.0.0.1:0`.
    #[must_use]
    pub fn gossip(mut self, addr: SocketAddr) -> Self {
        self.gossip = addr;
        self
    }

    /// The address that others are told, where it differs from the bound one.
    #[must_use]
    pub fn advertise(mut self, addr: SocketAddr) -> Self {
        self.advertise = Some(addr);
        self
    }

    /// The folder in which entries and the node's id are kept; without one they live in memory.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Addresses (`host:port`) of members to join by.
    #[must_use]
    pub fn join(mut self, seeds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.join.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// When writes are forced to the disk.
    #[must_use]
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.fsync = fsync;
        self
    }

    /// Allows ports on other than loopback addresses without a key.
    #[must_use]
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    /// The settings of the protocol.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Addresses of services beside the node, for the roster; set by the agent, which binds them.
    #[must_use]
    pub fn services(mut self, redis: Option<SocketAddr>, http: Option<SocketAddr>) -> Self {
        (self.redis, self.http) = (redis, http);
        self
    }

    /// Starts the node on the current Tokio runtime.
    ///
    /// # Errors
    /// If a setting, an address or the data folder cannot be used; nothing is left running.
    pub async fn start(self) -> Result<Rumormill, StartError> {
        self.config.check()?;
        let id = NodeId(random());
        let identity = Identity {
            id,
            name: self.name.unwrap_or_else(|| format!("node-{:08x}", id.0 >> 32)),
            gossip: self.gossip,
            redis: self.redis,
            http: self.http,
        };
        let started = std::time::Instant::now();
        let now = Now { mono: Instant(0), wall_ms: wall_ms() };
        let node = Node::new(self.config.clone(), identity.clone(), random(), now);
        let (commands, inbox) = mpsc::channel(4096);
        let view = Arc::new(View::new());
        let snapshot = Arc::new(Snapshot::default());
        let driver = Driver::new(node, inbox, Arc::clone(&view), Arc::clone(&snapshot), started);
        tokio::spawn(driver.run());
        let (cluster, limits) = (self.config.cluster, self.config.limits);
        let shared = Shared { identity, cluster, limits, started, view, commands, snapshot };
        Ok(Rumormill { shared: Arc::new(shared) })
    }
}

/// 64 bits from the operating system.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // RandomState is seeded by the operating system; two of them make 64 fresh bits.
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}
