//! The start of a node: its sockets, its data, its keys, and the loop that drives it.

use super::{Builder, address};
use crate::alone::Lonely;
use crate::clock::wall_ms;
use crate::driver::{Driver, Durable, Turn};
use crate::entropy::random_u64;
use crate::error::StartError;
use crate::handle::{Rumormill, Shared};
use crate::net::stream::{Intake, Streams};
use crate::net::{self, Counters};
use crate::seal::{ClusterRing, Door, Encryption, Keeper, Lock, OVERHEAD};
use crate::seeds::Seeker;
use crate::snapshot::Snapshot;
use crate::store::{Place, Store, StoreError, Writer};
use crate::view::View;
use rumormill_core::base::hash::Keyed;
use rumormill_core::data::Space;
use rumormill_core::{Config, Identity, Instant, Node, NodeId, Now};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// Commands that may wait for the loop.
const INBOX: usize = 4096;

/// A node that holds what its folder held.
struct Restored {
    node: Node,
    store: Option<Store>,
    /// What the node last wanted kept.
    kept: Option<Arc<[u8]>>,
}

impl Builder {
    /// Starts the node on the current Tokio runtime.
    ///
    /// # Errors
    /// If a setting, an address or the data folder cannot be used; nothing is left running.
    pub async fn start(self) -> Result<Rumormill, StartError> {
        self.check()?;
        let (seeds, names) = address::seeds(&self.join)?;
        let resolver = Arc::clone(&self.resolver);
        let mut seeker = Seeker::new(names, resolver, self.config.member.rejoin_interval);
        let (udp, listener) = net::bind(self.gossip).await?;
        let wanted = (self.gossip, self.advertise);
        let gossip = address::told(&listener, wanted, &seeds, &mut seeker).await?;
        let started = std::time::Instant::now();
        let store = self.open_store().await?;
        let id = store.as_ref().map_or_else(|| NodeId(random_u64()), Store::node_id);
        let identity = self.identity(id, gossip);
        let wall_ms = wall_ms().saturating_add_signed(self.clock_off_ms);
        let now = Now { mono: Instant(0), wall_ms };
        let lock = self.lock(id);
        let door = self.door(lock.as_ref());
        let mut node = Node::new(self.config_behind(&door), identity.clone(), random_u64(), now);
        node.set_lock(lock.is_some(), door.seals());
        let view = Arc::new(View::new());
        let Restored { node, store, kept } = restore(node, store, &view, now).await?;
        let durable = store.map(Writer::spawn).transpose()?;
        let durable = durable.map(|(writer, events)| Durable { writer, events });
        let snapshot = Arc::new(first_snapshot(durable.is_some()));
        let restored = node.data().digest().count > 0;
        let others = !seeds.is_empty() || seeker.has_names() || node.staleness(now).is_none();
        snapshot.unagreed.store(others, Relaxed);
        snapshot.clock_off_ms.store(self.clock_off_ms, Relaxed);
        let keeper = lock.as_ref().map(|lock| self.keeper(lock, &node, &snapshot));
        let (commands, inbox) = mpsc::channel(INBOX);
        let counters = Arc::new(Counters::default());
        let tag = Keyed::for_cluster(&self.config.cluster).tag();
        let intake = Arc::new(Intake::new(self.config.limits.incoming));
        let mut driver = Driver {
            node,
            inbox,
            udp,
            streams: Streams::new(
                listener,
                gossip,
                tag,
                Arc::clone(&counters),
                lock.clone(),
                intake,
            ),
            door,
            keeper,
            durable,
            view: Arc::clone(&view),
            snapshot: Arc::clone(&snapshot),
            counters,
            started,
            turn: Turn::new(kept),
        };
        // Whoever asks before the first turn is told what the folder holds.
        driver.publish();
        tokio::spawn(driver.run());
        let (cluster, limits) = (self.config.cluster, self.config.limits);
        let shared =
            Shared { identity, cluster, limits, started, restored, view, commands, snapshot, lock };
        let node = Rumormill { shared: Arc::new(shared) };
        let lonely = Lonely {
            seeds: seeds.clone(),
            own: gossip,
            tag,
            lock: node.shared.lock.clone(),
            snapshot: Arc::clone(&node.shared.snapshot),
        };
        if !self.join.is_empty() {
            tokio::spawn(lonely.run(node.shared.commands.downgrade()));
        }
        node.join(seeds).await;
        if seeker.has_names() {
            let (commands, snapshot) = (&node.shared.commands, &node.shared.snapshot);
            tokio::spawn(seeker.run(commands.downgrade(), Arc::clone(snapshot)));
        }
        Ok(node)
    }

    /// Refuses settings that no node should run with.
    fn check(&self) -> Result<(), StartError> {
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
        Ok(())
    }

    fn identity(&self, id: NodeId, gossip: SocketAddr) -> Identity {
        Identity {
            id,
            name: self.name.clone().unwrap_or_else(|| format!("node-{:08x}", id.0 >> 32)),
            gossip,
            redis: self.redis,
            http: self.http,
            tags: self.tags.clone(),
            ephemeral: self.ephemeral || self.data.is_none(),
        }
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

    /// What goes out of the gossip port sealed, and what is let in.
    fn door(&self, lock: Option<&Arc<Lock>>) -> Door {
        lock.map_or_else(Door::default, |lock| Door::new(Arc::clone(lock), &self.config.cluster))
    }

    /// The settings of the protocol behind a door: what is sent sealed is larger than what the core
    /// packs.
    fn config_behind(&self, door: &Door) -> Config {
        let mut config = self.config.clone();
        if door.seals() {
            config.limits.datagram = config.limits.datagram.saturating_sub(OVERHEAD);
        }
        config
    }

    /// Keeps the ring in step with what the node has heard of it.
    fn keeper(&self, lock: &Lock, node: &Node, snapshot: &Snapshot) -> Keeper {
        let (file, error) = (self.key_file.clone(), Arc::clone(&snapshot.key_file_error));
        let mut keeper = Keeper::new(lock.own, &self.config.cluster, lock.mode, file, error);
        node.notes().iter().for_each(|note| keeper.learn(note));
        keeper
    }
}

/// Gives a node what its folder holds, and shows it to readers.
async fn restore(
    mut node: Node,
    store: Option<Store>,
    view: &Arc<View>,
    now: Now,
) -> Result<Restored, StartError> {
    let Some(mut store) = store else { return Ok(Restored { node, store: None, kept: None }) };
    let shown = Arc::clone(view);
    blocking(move || {
        let loaded = store.load(|place, entry| {
            let entry = Arc::new(entry);
            let Place::Map(space) = place else { return node.restore_stray(entry) };
            if space == Space::Data {
                shown.apply(&entry, now.wall_ms, |_| false);
            }
            node.restore(space, entry, now);
        })?;
        let kept: Option<Arc<[u8]>> = store.kept()?.map(Into::into);
        kept.iter().for_each(|bytes| node.restore_kept(bytes));
        // Whose owners are there is known only now.
        shown.look_at_owners(|id| node.is_present(id), now.wall_ms);
        let (entries, strays, skipped) = (loaded.entries, loaded.strays, loaded.skipped);
        tracing::info!(entries, strays, skipped, folder = ?store.origin(), "data loaded");
        Ok(Restored { node, store: Some(store), kept })
    })
    .await
}

fn first_snapshot(is_durable: bool) -> Snapshot {
    let snapshot = Snapshot::default();
    let kept = if is_durable { "ok" } else { "memory" };
    *snapshot.store.lock().unwrap_or_else(PoisonError::into_inner) = kept.into();
    snapshot
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
