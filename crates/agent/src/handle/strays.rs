//! What is kept aside, and what became of entries.

use super::Rumormill;
use crate::command::{Command, StraysAct};
use crate::error::WriteError;
use crate::report::{KeyStory, Strays, StraysDone};
use tokio::sync::oneshot;

/// Strays of one page, and that are put back or dropped in one turn at most.
pub(crate) const MAX_STRAYS: usize = 1000;

impl Rumormill {
    /// What this node keeps aside, since it brought it back, the others do not hold it, and nothing
    /// proves what is right: at most `limit` entries, from `from` on, which is 0 or
    /// [`Strays::next`]. None of it is part of the data.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use rumormill::Rumormill;
    ///
    /// let node = Rumormill::builder().start().await?;
    /// for stray in node.strays(0, 100).await?.strays {
    ///     println!("{:?}: {}", stray.key, stray.why);
    ///     // Write it again, or let it go: node.drop_strays([stray.key]).
    ///     node.restore_strays([stray.key]).await?;
    /// }
    /// # node.shutdown().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn strays(&self, from: u64, limit: usize) -> Result<Strays, WriteError> {
        let (reply, page) = oneshot::channel();
        let command = Command::Strays { from, limit: limit.min(MAX_STRAYS), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        page.await.map_err(|_| WriteError::Closed)
    }

    /// Makes what is kept aside under these keys new writes of this node, which everyone gets.
    ///
    /// # Errors
    /// If the store takes no writes, or the node leaves or has shut down. What was put back before
    /// that stays.
    pub async fn restore_strays(
        &self,
        keys: impl IntoIterator<Item = impl Into<Box<[u8]>>>,
    ) -> Result<StraysDone, WriteError> {
        self.settle(StraysAct::Restore, keys.into_iter().map(Into::into).collect()).await
    }

    /// Drops what is kept aside under these keys, for good.
    ///
    /// # Errors
    /// As [`Rumormill::restore_strays`].
    pub async fn drop_strays(
        &self,
        keys: impl IntoIterator<Item = impl Into<Box<[u8]>>>,
    ) -> Result<StraysDone, WriteError> {
        self.settle(StraysAct::Drop, keys.into_iter().map(Into::into).collect()).await
    }

    /// Puts all that is kept aside back; see [`Rumormill::restore_strays`].
    ///
    /// # Errors
    /// The same.
    pub async fn restore_all_strays(&self) -> Result<StraysDone, WriteError> {
        self.settle_all(StraysAct::Restore).await
    }

    /// Drops all that is kept aside; see [`Rumormill::drop_strays`].
    ///
    /// # Errors
    /// The same.
    pub async fn drop_all_strays(&self) -> Result<StraysDone, WriteError> {
        self.settle_all(StraysAct::Drop).await
    }

    async fn settle_all(&self, act: StraysAct) -> Result<StraysDone, WriteError> {
        let (mut all, mut from) = (StraysDone::default(), 0);
        loop {
            let page = self.strays(from, MAX_STRAYS).await?;
            let keys = page.strays.into_iter().map(|stray| stray.key).collect();
            self.settle_some(act, keys, &mut all).await?;
            // What came meanwhile before this is for the next time.
            let Some(next) = page.next else { return Ok(all) };
            from = next;
        }
    }

    async fn settle(&self, act: StraysAct, keys: Vec<Box<[u8]>>) -> Result<StraysDone, WriteError> {
        let mut all = StraysDone::default();
        for some in keys.chunks(MAX_STRAYS) {
            self.settle_some(act, some.to_vec(), &mut all).await?;
        }
        Ok(all)
    }

    async fn settle_some(
        &self,
        act: StraysAct,
        keys: Vec<Box<[u8]>>,
        all: &mut StraysDone,
    ) -> Result<(), WriteError> {
        let (reply, outcomes) = oneshot::channel();
        let command = Command::SettleStrays { act, keys: keys.clone(), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        let outcomes = outcomes.await.map_err(|_| WriteError::Closed)??;
        for (key, outcome) in keys.iter().zip(outcomes) {
            match outcome {
                Ok(outcome) if outcome.previous.is_some() => all.done += 1,
                Ok(_) => all.unknown(key),
                Err(refused) => all.refused(key, refused.to_string()),
            }
        }
        Ok(())
    }

    /// What became of entries of a key here that were collected, let go, kept aside, written anew,
    /// put back or dropped, the oldest first; as far as that is remembered since the start.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn key_stories(&self, key: impl AsRef<[u8]>) -> Result<Vec<KeyStory>, WriteError> {
        let (reply, told) = oneshot::channel();
        let command = Command::KeyStories { key: key.as_ref().into(), reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        told.await.map_err(|_| WriteError::Closed)
    }
}
