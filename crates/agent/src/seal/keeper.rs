//! Keeps the ring: acts on what the cluster says of it, and keeps the key file in step.

use super::door::{Door, Encryption};
use super::file;
use super::key::Key;
use super::ring::KeyRing;
use super::rotation::{Action, Holder, Keyring, KeyringError, Note, Rotation};
use rumormill_core::NodeId;
use rumormill_core::data::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// The ring of one node.
pub(crate) struct Keeper {
    own: NodeId,
    cluster: String,
    mode: Encryption,
    rotation: Rotation,
    file: Option<KeyFile>,
    changed: bool,
}

/// A key file that is written again after every change. It is written on threads that may block, and
/// the last one wins.
struct KeyFile {
    path: Arc<PathBuf>,
    number: u64,
    written: Arc<Mutex<u64>>,
    error: Arc<Mutex<Option<String>>>,
    job: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn new(
        own: NodeId,
        cluster: &str,
        mode: Encryption,
        path: Option<PathBuf>,
        error: Arc<Mutex<Option<String>>>,
    ) -> Self {
        let file = path.map(|path| KeyFile {
            path: Arc::new(path),
            number: 0,
            written: Arc::default(),
            error,
            job: None,
        });
        let (cluster, rotation) = (cluster.into(), Rotation::default());
        Self { own, cluster, mode, rotation, file, changed: true }
    }

    /// A note has come, or was written here.
    pub(crate) fn learn(&mut self, entry: &Entry) {
        self.rotation.learn(entry);
        self.changed = true;
    }

    /// Brings the ring in step with what was learnt; returns what is to be told of it.
    pub(crate) fn settle(&mut self, door: &mut Door) -> Option<Note> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let ring = door.ring()?.ring.clone();
        let ring = match self.rotation.settle(&ring, &self.cluster) {
            Some(new) => {
                let (before, now) = (ring.ids(), new.ids());
                tracing::info!(?before, ?now, "the key ring has changed; the first is the primary");
                door.set_ring(new.clone());
                match &mut self.file {
                    Some(file) => file.write(new.clone()),
                    None => tracing::warn!(
                        "the keys of this node did not come from a file: give it the new ones \
                         before its next start"
                    ),
                }
                new
            }
            None => ring,
        };
        self.rotation.report(self.own, &ring).filter(|_| self.mode.seals())
    }

    /// The notes that carry out an operator's wish, and the id of the key that it adds.
    pub(crate) fn act(
        &self,
        action: &Action,
        ring: &KeyRing,
        members: &[Holder],
    ) -> Result<Vec<Note>, KeyringError> {
        self.rotation.act(action, self.mode, ring, &self.cluster, members)
    }

    pub(crate) fn list(&self, ring: &KeyRing, members: &[Holder]) -> Keyring {
        self.rotation.list(self.mode, ring, members)
    }

    /// Waits until the key file is written.
    pub(crate) async fn close(self) {
        if let Some(job) = self.file.and_then(|file| file.job) {
            // It does not panic, and nobody aborts it.
            let _ = job.await;
        }
    }
}

/// The wish to add a key, with the key drawn, so that its id is known.
pub(crate) fn drawn(action: Action) -> Action {
    match action {
        Action::Add(key) => Action::Add(Some(key.unwrap_or_else(Key::generate))),
        other => other,
    }
}

impl KeyFile {
    fn write(&mut self, ring: KeyRing) {
        self.number += 1;
        let (number, path) = (self.number, Arc::clone(&self.path));
        let (written, error) = (Arc::clone(&self.written), Arc::clone(&self.error));
        self.job = Some(tokio::task::spawn_blocking(move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            if *written > number {
                return;
            }
            let done = file::replace(&path, &ring)
                .map_err(|error| format!("cannot write the key file {}: {error}", path.display()));
            *written = number;
            if let Err(error) = &done {
                tracing::error!(%error, "the ring has changed; bring the file in step by hand");
            }
            *error.lock().unwrap_or_else(PoisonError::into_inner) = done.err();
        }));
    }
}
