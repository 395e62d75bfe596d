//! The handle by which a program uses a node.

use crate::alarm::Alarms;
use crate::builder::Builder;
use crate::driver::Command;
use crate::error::WriteError;
use crate::history::{MAX_EVENTS, MemberEvents, named};
use crate::repair::{MAX_SESSIONS, RepairStory};
use crate::ring::{ForgetError, RepairError, RingStatus};
use crate::seal::{Action, EncryptionStatus, Key, KeyId, Keyring, KeyringError, Lock};
use crate::seeds::SeedStatus;
use crate::status::{Joining, MemberCounts, MemberInfo, Status, Traffic};
use crate::tags::{TagChange, TagsError};
use crate::view::{Event, View};
use rumormill_core::data::{Entry, Expiry, Op, Outcome, Refused, Stamp};
use rumormill_core::member::Tags;
use rumormill_core::spread::entropy::Filling;
use rumormill_core::{Identity, NodeId, Stats};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};

/// A running node. Clones share it; it stops when [`Rumormill::shutdown`] or [`Rumormill::leave`]
/// is called or the last clone is dropped.
#[derive(Clone)]
pub struct Rumormill {
    pub(crate) shared: Arc<Shared>,
}

/// What the driver's loop and the handles share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) cluster: String,
    pub(crate) limits: rumormill_core::limits::Limits,
    pub(crate) started: Instant,
    pub(crate) view: Arc<View>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The keys, if there are any.
    pub(crate) lock: Option<Arc<Lock>>,
}

/// What the loop last said of itself.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) numbers: Mutex<Numbers>,
    pub(crate) members: RwLock<Arc<[MemberInfo]>>,
    pub(crate) store: Mutex<String>,
    pub(crate) ring: Mutex<RingStatus>,
    pub(crate) alarms: Mutex<Alarms>,
    /// The names to join by.
    pub(crate) seeds: Mutex<Vec<SeedStatus>>,
    /// What is wrong with the key file.
    pub(crate) key_file_error: Arc<Mutex<Option<String>>>,
}

impl Snapshot {
    /// True if the node sees nobody but itself.
    pub(crate) fn is_alone(&self) -> bool {
        let members = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).members;
        members.alive + members.suspect < 2
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers {
    pub(crate) stats: Stats,
    pub(crate) traffic: Traffic,
    pub(crate) tombstones: u64,
    pub(crate) digest: rumormill_core::data::Digest,
    pub(crate) members: MemberCounts,
    pub(crate) doubt: u32,
    pub(crate) freshness: crate::coverage::Freshness,
    pub(crate) repair: rumormill_core::spread::sessions::Totals,
    pub(crate) filling: Option<Filling>,
}

impl Rumormill {
    /// Settings for a new node.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The live entry under a key, from memory.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Arc<Entry>> {
        self.shared.view.get(key.as_ref(), wall_ms())
    }

    /// Writes a value; returns when it has reached the operating system (or the disk, with
    /// `fsync = "always"`).
    ///
    /// # Errors
    /// If key or value are too long, the store takes no writes, or the node has shut down.
    pub async fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default()).await
    }

    /// Like [`Rumormill::set`], for a value that hides itself after `ttl`.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_for(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default().ttl(ttl)).await
    }

    /// Like [`Rumormill::set`], for a value that readers see only while this node is a live member:
    /// it is hidden everywhere, and nothing is written, when this node leaves or is held dead, and
    /// back when this node is, with the id of its data folder.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_owned(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default().owned()).await
    }

    /// Like [`Rumormill::set`], with options.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
    ) -> Result<Stamp, WriteError> {
        let (key, value) = (key.as_ref().into(), value.as_ref().into());
        let expiry = options.ttl.map_or(Expiry::Never, |ttl| {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            Expiry::At(wall_ms().saturating_add(ttl))
        });
        let outcome = self.write_one(Op::put(key, value, expiry, options.owned)).await?;
        Ok(outcome.written.map(|entry| entry.stamp()).unwrap_or_default())
    }

    /// Deletes a key; returns whether it was there.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        let outcome = self.write_one(Op::Delete { key: key.as_ref().into() }).await?;
        Ok(outcome.previous.is_some())
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn write_one(&self, op: Op) -> Result<Outcome, WriteError> {
        let mut outcomes = self.write(vec![op]).await?;
        Ok(outcomes.pop().unwrap_or(Ok(Outcome::default()))?)
    }

    /// Carries out operations in order, as one batch: they travel together. Each succeeds or is
    /// refused by itself; the outer error is about all.
    ///
    /// # Errors
    /// If the store takes no writes or the node has shut down.
    pub async fn write(&self, ops: Vec<Op>) -> Result<Vec<Result<Outcome, Refused>>, WriteError> {
        let (reply, outcomes) = oneshot::channel();
        let command = Command::Write { ops, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        outcomes.await.map_err(|_| WriteError::Closed)?
    }

    /// Up to `limit` live entries whose keys start with `prefix` and come after `after`, in the
    /// order of their keys.
    #[must_use]
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Arc<Entry>> {
        self.shared.view.scan(prefix, after, limit, wall_ms())
    }

    /// A page of about `count` live entries in hash order from `cursor` on, and the cursor to go on
    /// from; 0 begins and ends. Entries that exist throughout a whole iteration are all returned.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn scan_hashed(
        &self,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<Arc<Entry>>), WriteError> {
        let (reply, page) = oneshot::channel();
        let command = Command::Scan { cursor, count, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        page.await.map_err(|_| WriteError::Closed)
    }

    /// Live entries that readers see.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shared.view.len()
    }

    /// Live entries that will expire.
    #[must_use]
    pub fn expiring(&self) -> u64 {
        self.shared.view.expiring()
    }

    /// True if there are no live entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes of keys that start with `prefix`, from now on, from whichever node they come.
    #[must_use]
    pub fn watch(&self, prefix: impl AsRef<[u8]>) -> Watch {
        Watch { prefix: prefix.as_ref().into(), events: self.shared.view.watch() }
    }

    /// Everyone that this node knows, itself included.
    #[must_use]
    pub fn members(&self) -> Arc<[MemberInfo]> {
        let members = self.shared.snapshot.members.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&members)
    }

    /// The tags of this node as they are now.
    #[must_use]
    pub fn tags(&self) -> Tags {
        let own = self.members().iter().find(|member| member.is_self).map(|own| own.tags.clone());
        own.unwrap_or_else(|| self.shared.identity.tags.clone())
    }

    /// Gives this node these tags and no others, and tells everyone. A restart begins with those
    /// that the builder was given again.
    ///
    /// # Errors
    /// If the node has left or shut down.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), TagsError> {
        let tags = tags.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        self.change_tags(TagChange { replace: true, tags }).await.map(drop)
    }

    /// Changes some tags of this node, and tells everyone; returns what they are now.
    ///
    /// # Errors
    /// If they would pass a bound, or the node has left or shut down. Nothing has changed then.
    pub async fn change_tags(&self, change: TagChange) -> Result<Tags, TagsError> {
        let (reply, changed) = oneshot::channel();
        let command = Command::Tags { change, reply };
        self.shared.commands.send(command).await.map_err(|_| TagsError::Closed)?;
        changed.await.map_err(|_| TagsError::Closed)?
    }

    /// What happened to members lately as this node saw it, at most `limit` events and those the
    /// latest; only about the members with these ids, if some are given. What is kept is bounded.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn member_events(
        &self,
        about: Option<Vec<NodeId>>,
        limit: usize,
    ) -> Result<MemberEvents, WriteError> {
        let (reply, events) = oneshot::channel();
        let command = Command::MemberEvents { about, limit: limit.min(MAX_EVENTS), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        let mut found = events.await.map_err(|_| WriteError::Closed)?;
        found.seen_by = self.shared.identity.id.to_string();
        found.seen_by_name.clone_from(&self.shared.identity.name);
        let wanted: std::collections::BTreeSet<_> =
            found.events.iter().flat_map(named).map(|id| id.to_string()).collect();
        let members = self.members();
        let known = members.iter().filter(|member| wanted.contains(&member.id));
        found.names = known.map(|member| (member.id.clone(), member.name.clone())).collect();
        Ok(found)
    }

    /// What repair did lately, at most `limit` exchanges and those the latest; only with the members
    /// with these ids, if some are given, and those that found nothing only if `calm`. What is kept
    /// is bounded.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn repair_story(
        &self,
        about: Option<Vec<NodeId>>,
        calm: bool,
        limit: usize,
    ) -> Result<RepairStory, WriteError> {
        let (reply, story) = oneshot::channel();
        let limit = limit.min(MAX_SESSIONS);
        let command = Command::Repair { about, calm, limit, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        let mut found = story.await.map_err(|_| WriteError::Closed)?;
        found.seen_by = self.shared.identity.id.to_string();
        found.seen_by_name.clone_from(&self.shared.identity.name);
        let peers = found.sessions.iter().map(|session| session.peer.to_string());
        let wanted: std::collections::BTreeSet<_> =
            peers.chain(found.diverged.iter().map(|told| told.peer.clone())).collect();
        let members = self.members();
        let known = members.iter().filter(|member| wanted.contains(&member.id));
        found.names = known.map(|member| (member.id.clone(), member.name.clone())).collect();
        Ok(found)
    }

    /// Sums over all exchanges of repair.
    pub(crate) fn repair_totals(&self) -> rumormill_core::spread::sessions::Totals {
        self.shared.snapshot.numbers.lock().unwrap_or_else(PoisonError::into_inner).repair
    }

    /// Who this node is, with the tags that it began with and the addresses that are really bound.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Bounds on keys and values.
    #[must_use]
    pub fn limits(&self) -> &rumormill_core::limits::Limits {
        &self.shared.limits
    }

    /// The state of the node.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let numbers = *shared.snapshot.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let store = shared.snapshot.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ring = self.ring_status();
        let alarms = shared.snapshot.alarms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seeds = shared.snapshot.seeds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lost = seeds.iter().filter_map(SeedStatus::warning);
        let warnings = alarms.warnings().into_iter().chain(lost).collect();
        Status {
            name: shared.identity.name.clone(),
            id: shared.identity.id.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            cluster: shared.cluster.clone(),
            gossip: shared.identity.gossip,
            redis: shared.identity.redis,
            http: shared.identity.http,
            uptime_ms: u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            entries: self.len(),
            hidden: self.shared.view.hidden(),
            tombstones: numbers.tombstones,
            tombstones_held_by: ring.tombstones_held_by,
            horizon_ms: ring.horizon.map(|horizon| horizon.time_ms),
            covered: ring.covered,
            digest: numbers.digest.to_string(),
            tags: self.tags(),
            members: numbers.members,
            doubt: numbers.doubt,
            joining: numbers.filling.map(Joining::from),
            warnings,
            alarms,
            seeds,
            traffic: numbers.traffic,
            store,
            encryption: self.encryption(),
            counters: numbers.stats,
        }
    }

    /// Begins a pass of ring repair: a token goes round all members twice, and each gives the next
    /// what it lacks. Afterwards everyone holds everything that was written before, and the
    /// tombstones of that time go. [`Rumormill::ring_status`] tells how it goes on.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use rumormill::{RepairError, Rumormill};
    ///
    /// let node = Rumormill::builder().start().await?;
    /// node.set("key", "value").await?;
    /// node.delete("key").await?;
    /// match node.repair_ring().await {
    ///     Ok(ring) => assert!(ring.run.is_some_and(|run| run.members == 1)),
    ///     // Who is gone for good is forgotten: node.forget("db-3", false).
    ///     Err(error @ RepairError::Refused { .. }) => println!("{error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # node.shutdown().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// If members are away (it names them), this node is being brought back, a pass that it began is
    /// under way, or it has left or shut down.
    pub async fn repair_ring(&self) -> Result<RingStatus, RepairError> {
        let (reply, begun) = oneshot::channel();
        let command = Command::RepairRing { reply };
        self.shared.commands.send(command).await.map_err(|_| RepairError::Closed)?;
        begun.await.map_err(|_| RepairError::Closed)?
    }

    /// Where ring repair stands: what is known to be everywhere, the last pass that this node began,
    /// and whom passes wait for.
    #[must_use]
    pub fn ring_status(&self) -> RingStatus {
        let snapshot = &self.shared.snapshot;
        let ring = snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let numbers = snapshot.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        RingStatus { tombstones: numbers.tombstones, ..ring }
    }

    /// Waits no longer for a member that is dead or has left, by its name or id, so that passes go on
    /// without it; returns the ids of those that are meant. Should it come back, it is brought back
    /// to what they covered. `force` does so even where the members that are here may be the smaller
    /// side of a partition: then what those away have written may be lost.
    ///
    /// # Errors
    /// If the member is not known or is there, the members here are no majority, or this node has
    /// shut down.
    pub async fn forget(
        &self,
        member: impl Into<String>,
        force: bool,
    ) -> Result<Vec<NodeId>, ForgetError> {
        let (reply, done) = oneshot::channel();
        let command = Command::Forget { who: member.into(), force, reply };
        self.shared.commands.send(command).await.map_err(|_| ForgetError::Closed)?;
        done.await.map_err(|_| ForgetError::Closed)?
    }

    fn encryption(&self) -> EncryptionStatus {
        let Some(lock) = &self.shared.lock else {
            return EncryptionStatus { mode: "off".into(), ..EncryptionStatus::default() };
        };
        let error = &self.shared.snapshot.key_file_error;
        let key_file_error = error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        EncryptionStatus { key_file_error, ..lock.status() }
    }

    /// The key ring of the cluster, as this node sees it.
    ///
    /// # Errors
    /// If this node has no keys, or has shut down.
    pub async fn keyring(&self) -> Result<Keyring, KeyringError> {
        self.change_keyring(Action::List).await
    }

    /// Adds a key to the ring of the cluster, a new one if none is given. It is opened with from now
    /// on, and not sealed with before [`Rumormill::use_key`]. The answer names it.
    ///
    /// # Errors
    /// If this node has no keys or sends plain, the ring is full, or the node has shut down.
    pub async fn add_key(&self, key: Option<Key>) -> Result<Keyring, KeyringError> {
        self.change_keyring(Action::Add(key)).await
    }

    /// Makes a key of the ring the one that the cluster seals with.
    ///
    /// # Errors
    /// As for [`Rumormill::add_key`], and if a present member is not known to have it.
    pub async fn use_key(&self, id: KeyId) -> Result<Keyring, KeyringError> {
        self.change_keyring(Action::Use(id)).await
    }

    /// Removes a key from the ring of the cluster.
    ///
    /// # Errors
    /// As for [`Rumormill::add_key`], if the key is the primary, and unless `force` is set, if a
    /// present member may still seal with it.
    pub async fn remove_key(&self, id: KeyId, force: bool) -> Result<Keyring, KeyringError> {
        self.change_keyring(Action::Remove { id, force }).await
    }

    async fn change_keyring(&self, action: Action) -> Result<Keyring, KeyringError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Keyring { action, reply };
        self.shared.commands.send(command).await.map_err(|_| KeyringError::Closed)?;
        answer.await.map_err(|_| KeyringError::Closed)?
    }

    /// Tries to join a cluster by these gossip addresses, and again for as long as no member is
    /// known there.
    pub async fn join(&self, seeds: Vec<std::net::SocketAddr>) {
        // An error means that the node has shut down.
        let _ = self.shared.commands.send(Command::Join { seeds }).await;
    }

    /// Tells everyone that this node goes, and stops it. The data folder stays.
    pub async fn leave(&self) {
        self.stop(true).await;
    }

    /// Stops the node without a goodbye, as for a restart. Everything acknowledged is on disk when
    /// this returns.
    pub async fn shutdown(&self) {
        self.stop(false).await;
    }

    async fn stop(&self, leave: bool) {
        let (done, stopped) = oneshot::channel();
        if self.shared.commands.send(Command::Stop { leave, done }).await.is_ok() {
            // An error means that the loop has ended, which is what was asked for.
            let _ = stopped.await;
        }
    }
}

/// What more to say of a value that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    ttl: Option<Duration>,
    owned: bool,
}

impl SetOptions {
    /// The value hides itself after this time.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The value is seen only while the node that writes it is a live member.
    #[must_use]
    pub fn owned(mut self) -> Self {
        self.owned = true;
        self
    }
}

/// Changes of keys with one prefix.
pub struct Watch {
    prefix: Box<[u8]>,
    events: broadcast::Receiver<Event>,
}

/// Why a watch has no next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WatchError {
    /// The watcher was too slow and this many events are gone; the next call goes on after them.
    #[error("{0} events were missed")]
    Missed(u64),
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

impl Watch {
    /// The next change.
    ///
    /// # Errors
    /// If events were missed, or the node has shut down.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        loop {
            match self.events.recv().await {
                Ok(event) if event.entry.key().starts_with(&self.prefix) => return Ok(event),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(n)) => return Err(WatchError::Missed(n)),
                Err(broadcast::error::RecvError::Closed) => return Err(WatchError::Closed),
            }
        }
    }
}

/// Wall clock, milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
