//! Repair: what it did lately, and passes of ring repair.

use super::Rumormill;
use crate::command::Command;
use crate::error::WriteError;
use crate::report::{ForgetError, MAX_SESSIONS, RepairError, RepairStory, RingStatus};
use rumormill_core::NodeId;
use std::sync::PoisonError;
use tokio::sync::oneshot;

impl Rumormill {
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
        self.begin_pass(false).await
    }

    /// The same, for the first pass of a cluster from which somebody is missing: an operator's word
    /// that nobody who is missing holds anything. Without it the first pass needs everybody that
    /// anybody knows of. Of no effect once a pass was complete.
    ///
    /// # Errors
    /// As [`Rumormill::repair_ring`].
    pub async fn repair_ring_first(&self) -> Result<RingStatus, RepairError> {
        self.begin_pass(true).await
    }

    async fn begin_pass(&self, waive: bool) -> Result<RingStatus, RepairError> {
        let (reply, begun) = oneshot::channel();
        let command = Command::RepairRing { waive, reply };
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
    /// without it; returns the ids of those that are meant. It still counts among those of whom more
    /// than half must take part in the next pass. Should it come back, it is brought back to what
    /// passes covered. `force` waives its vote as well: it is gone for good, and no others go on with
    /// it. If that is wrong, two sides may both go on, and what was deleted on one may come back.
    ///
    /// # Errors
    /// If the member is not known or is there, or this node has shut down.
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
}
