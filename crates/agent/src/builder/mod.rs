//! Settings of an embedded node, and its start.

mod address;
mod start;

use crate::handle::Rumormill;
use crate::seal::{Encryption, KeyRing};
use crate::seeds::{Resolver, SystemResolver};
use crate::store::Fsync;
use rumormill_core::Config;
use rumormill_core::member::Tags;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of a node; every one has a default.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) name: Option<String>,
    pub(crate) gossip: SocketAddr,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) redis: Option<SocketAddr>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) tags: Tags,
    pub(crate) data: Option<PathBuf>,
    pub(crate) ephemeral: bool,
    pub(crate) join: Vec<String>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) insecure: bool,
    pub(crate) fsync: Fsync,
    pub(crate) keys: Option<KeyRing>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) encryption: Encryption,
    pub(crate) config: Config,
    pub(crate) clock_off_ms: i64,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            gossip: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            redis: None,
            http: None,
            tags: Tags::default(),
            data: None,
            ephemeral: false,
            join: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
            insecure: false,
            fsync: Fsync::default(),
            keys: None,
            key_file: None,
            encryption: Encryption::default(),
            config: Config::default(),
            clock_off_ms: 0,
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

    /// The address that others are told, where it differs from the bound one; port 0 stands for the
    /// bound one. One that no other node can reach is an error of the start.
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

    /// Says that the node never comes back with old data, though it has a folder: it will be started
    /// with another one, as pods are. Passes of ring repair do not wait for it. Without a folder that is
    /// so anyway.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// Members to join by: `host:port`, or `srv+NAME` for the hosts and ports in SRV records. Names
    /// are looked up for as long as the node runs; one that cannot be found is told in the status.
    #[must_use]
    pub fn join(mut self, seeds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.join.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// What looks up the names of members to join by; the system, if none is given.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Arc::new(resolver);
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

    /// The keys of the cluster: what goes through the gossip port is sealed with the first.
    #[must_use]
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The file that the keys came from, which is written again when the cluster's ring changes.
    #[must_use]
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// What is done with the keys, if there are any.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// The node reads its wall clock so many milliseconds ahead of the machine's: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn clock_off(mut self, ms: i64) -> Self {
        self.clock_off_ms = ms;
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

    /// What is said of this node in the member list, such as its zone and role.
    #[must_use]
    pub fn tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }
}

impl Rumormill {
    /// Settings for a new node.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}
