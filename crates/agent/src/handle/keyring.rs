//! The key ring of the cluster.

use super::Rumormill;
use crate::command::Command;
use crate::seal::{Action, Key, KeyId, Keyring, KeyringError};
use tokio::sync::oneshot;

impl Rumormill {
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
}
