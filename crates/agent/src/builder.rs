//! Settings of an embedded node, and its start.

use crate::clock::wall_ms;
use crate::driver::{Driver, Durable, Turn};
use crate::entropy::random_u64;
use crate::error::StartError;
use crate::handle::{Rumormill, Shared};
use crate::net::stream::Streams;
use crate::net::{self, Counters};
use crate::report::RingStatus;
use crate::seal::{ClusterRing, Door, Encryption, Keeper, KeyRing, Lock, OVERHEAD};
use crate::seeds::{Name, Resolver, Seed, Seeker, SystemResolver};
use crate::snapshot::Snapshot;
use crate::store::{Fsync, Store, StoreError, Writer};
use crate::view::View;
use rumormill_core::base::hash::Keyed;
use rumormill_core::data::Space;
use rumormill_core::member::Tags;
use rumormill_core::{Config, Identity, Instant, Node, NodeId, Now};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

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
    pub(crate) join: Vec<String>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) insecure: bool,
    pub(crate) fsync: Fsync,
    pub(crate) keys: Option<KeyRing>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) encryption: Encryption,
    pub(crate) config: Config,
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
            join: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
            insecure: false,
            fsync: Fsync::default(),
            keys: None,
            key_file: None,
            encryption: Encryption::default(),
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

    /// Starts the node on the current Tokio runtime.
    ///
    /// # Errors
    /// If a setting, an address or the data folder cannot be used; nothing is left running.
    pub async fn start(self) -> Result<Rumormill, StartError> {
        self.config.check()?;
        if !self.config.ring.fence {
            return Err(StartError::Other(
                "ring.fence = false brings deleted keys back; it is there to show that in the \
                 simulator (rumormill sim fuzz --set ring.fence=false): leave it out"
                    .into(),
            ));
        }
        let locked = self.keys.is_some() && self.encryption == Encryption::Require;
        if !self.gossip.ip().to_canonical().is_loopback() && !self.insecure && !locked {
            return Err(StartError::Insecure { what: "gossip", addr: self.gossip });
        }
        let (seeds, names) = seeds(&self.join)?;
        let (resolver, interval) = (Arc::clone(&self.resolver), self.config.member.rejoin_interval);
        let mut seeker = Seeker::new(names, resolver, interval);
        let (udp, listener) = net::bind(self.gossip).await?;
        let bound = listener.local_addr().map_err(|source| StartError::Bind {
            what: "gossip",
            addr: self.gossip,
            source,
        })?;
        let mut routes = seeds.clone();
        if bound.ip().is_unspecified() && self.advertise.is_none() && routes.is_empty() {
            seeker.look_up().await;
            routes = seeker.addresses();
            routes.extend(seeker.has_names().then(|| anywhere(bound)));
        }
        let gossip = advertised(bound, self.advertise, &routes)?;
        let started = std::time::Instant::now();
        let mut store = self.open_store().await?;
        let id = store.as_ref().map_or_else(|| NodeId(random_u64()), Store::node_id);
        let identity = Identity {
            id,
            name: self.name.clone().unwrap_or_else(|| format!("node-{:08x}", id.0 >> 32)),
            gossip,
            redis: self.redis,
            http: self.http,
            tags: self.tags.clone(),
        };
        let now = Now { mono: Instant(0), wall_ms: wall_ms() };
        let lock = self.lock(id);
        let door = lock
            .as_ref()
            .map_or_else(Door::default, |lock| Door::new(Arc::clone(lock), &self.config.cluster));
        let mut config = self.config.clone();
        if door.seals() {
            // What is sent is larger than what the core packs.
            config.limits.datagram = config.limits.datagram.saturating_sub(OVERHEAD);
        }
        let mut node = Node::new(config, identity.clone(), random_u64(), now);
        let view = Arc::new(View::new());
        let mut turn = Turn::default();
        if let Some(mut opened) = store.take() {
            let shown = Arc::clone(&view);
            (store, node, turn.kept) = blocking(move || {
                let loaded = opened.load(|space, entry| {
                    let entry = Arc::new(entry);
                    if space == Space::Data {
                        shown.apply(&entry, now.wall_ms, |_| false);
                    }
                    node.restore(space, entry, now);
                })?;
                let kept: Option<Arc<[u8]>> = opened.kept()?.map(Into::into);
                kept.iter().for_each(|bytes| node.restore_kept(bytes));
                // Whose owners are there is known only now.
                shown.look_at_owners(|id| node.is_present(id), now.wall_ms);
                let (entries, skipped) = (loaded.entries, loaded.skipped);
                tracing::info!(entries, skipped, folder = ?opened.origin(), "data loaded");
                Ok((Some(opened), node, kept))
            })
            .await?;
        }
        let durable = match store {
            Some(store) => {
                let (writer, events) = Writer::spawn(store)?;
                Some(Durable { writer, events })
            }
            None => None,
        };
        let (commands, inbox) = mpsc::channel(4096);
        let snapshot = Arc::new(Snapshot::default());
        let ring = RingStatus { covered: node.is_covered(), ..RingStatus::default() };
        *snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner) = ring;
        let kept = if durable.is_some() { "ok" } else { "memory" };
        *snapshot.store.lock().unwrap_or_else(PoisonError::into_inner) = kept.into();
        let keeper = lock.as_ref().map(|lock| {
            let (file, error) = (self.key_file.clone(), Arc::clone(&snapshot.key_file_error));
            let mut keeper = Keeper::new(id, &self.config.cluster, lock.mode, file, error);
            node.notes().iter().for_each(|note| keeper.learn(note));
            keeper
        });
        let counters = Arc::new(Counters::default());
        let tag = Keyed::for_cluster(&self.config.cluster).tag();
        let driver = Driver {
            node,
            inbox,
            udp,
            streams: Streams::new(listener, gossip, tag, Arc::clone(&counters), lock.clone()),
            door,
            keeper,
            durable,
            view: Arc::clone(&view),
            snapshot: Arc::clone(&snapshot),
            counters,
            started,
            turn,
        };
        tokio::spawn(driver.run());
        let (cluster, limits) = (self.config.cluster, self.config.limits);
        let shared = Shared { identity, cluster, limits, started, view, commands, snapshot, lock };
        let node = Rumormill { shared: Arc::new(shared) };
        node.join(seeds).await;
        if seeker.has_names() {
            let (commands, snapshot) = (&node.shared.commands, &node.shared.snapshot);
            tokio::spawn(seeker.run(commands.downgrade(), Arc::clone(snapshot)));
        }
        Ok(node)
    }

    /// The lock on the gossip port, if there are keys.
    fn lock(&self, own: NodeId) -> Option<Arc<Lock>> {
        let Some(keys) = self.keys.clone() else {
            tracing::debug!("there is no key: gossip is not encrypted");
            return None;
        };
        let (mode, keys) = (self.encryption, ClusterRing::new(keys, &self.config.cluster));
        let ids = keys.ring.ids();
        match mode {
            Encryption::Require => tracing::info!(keys = ?ids, "gossip is encrypted"),
            Encryption::Send => tracing::warn!(
                keys = ?ids,
                "what is sent is encrypted, and plaintext is still let in (encryption = \"send\")"
            ),
            Encryption::Accept => tracing::warn!(
                keys = ?ids,
                "what is sent is not encrypted; both are let in (encryption = \"accept\")"
            ),
        }
        Some(Arc::new(Lock::new(mode, own, keys)))
    }

    async fn open_store(&self) -> Result<Option<Store>, StartError> {
        let Some(dir) = self.data.clone() else { return Ok(None) };
        let (cluster, fsync) = (self.config.cluster.clone(), self.fsync);
        blocking(move || Store::open(&dir, &cluster, fsync)).await.map(Some)
    }
}

impl Rumormill {
    /// Settings for a new node.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StartError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(StartError::Other(format!("the store could not be opened: {error}"))),
    }
}

/// The members to join by: addresses, and names to look up.
fn seeds(join: &[String]) -> Result<(Vec<SocketAddr>, Vec<Name>), StartError> {
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    for text in join {
        match text.parse().map_err(StartError::Other)? {
            Seed::Address(addr) => addresses.push(addr),
            Seed::Name(name) => names.push(name),
        }
    }
    Ok((addresses, names))
}

/// An address that is nobody's, behind whatever leads to the rest of the world.
fn anywhere(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(_) => SocketAddr::from(([192, 0, 2, 1], 9)),
        SocketAddr::V6(_) => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9)),
    }
}

/// The address that others are told. One that is bound to every interface names none, so the one
/// by which the first seed is reached is taken.
fn advertised(
    bound: SocketAddr,
    wanted: Option<SocketAddr>,
    seeds: &[SocketAddr],
) -> Result<SocketAddr, StartError> {
    if let Some(mut wanted) = wanted {
        if wanted.port() == 0 {
            wanted.set_port(bound.port());
        }
        return Ok(wanted);
    }
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    let route = |seed: &SocketAddr| {
        // Connecting a datagram socket sends nothing; it chooses the interface.
        let socket = std::net::UdpSocket::bind(SocketAddr::new(bound.ip(), 0)).ok()?;
        socket.connect(seed).ok()?;
        socket.local_addr().ok().map(|local| SocketAddr::new(local.ip(), bound.port()))
    };
    seeds.iter().find_map(route).ok_or_else(|| {
        StartError::Other(format!(
            "{bound} is every interface at once: say with --advertise ADDR at which address \
             others reach this node"
        ))
    })
}
