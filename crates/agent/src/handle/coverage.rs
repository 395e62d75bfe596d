//! How many members hold a write, and how fresh this node is, as users of a node ask for it.

use super::Rumormill;
use crate::command::{Ask, Command};
use crate::report::{Coverage, CoverageError, KeyCoverage, StaleError};
use crate::snapshot::Freshness;
use rumormill_core::data::Stamp;
use rumormill_core::spread::coverage::{About, Want};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;

impl Rumormill {
    /// Waits until as many members as wanted, this node included, hold these writes (a key and a
    /// stamp each) or newer ones under their keys, for at most `limit` if there is one.
    ///
    /// Members that are alive or suspected count; those that are held dead do not. What is answered
    /// was so when each member was asked.
    ///
    /// # Errors
    /// If there are none or more than 1,000 writes, too many such questions are under way, or the
    /// node has left or shut down.
    pub async fn wait_until_held(
        &self,
        writes: impl IntoIterator<Item = (impl AsRef<[u8]>, Stamp)>,
        want: Want,
        limit: Option<Duration>,
    ) -> Result<Coverage, CoverageError> {
        let writes = writes.into_iter().map(|(key, stamp)| (key.as_ref().into(), stamp)).collect();
        self.wait_about(About { writes, upto: None }, want, limit).await
    }

    pub(crate) async fn wait_about(
        &self,
        about: About,
        want: Want,
        limit: Option<Duration>,
    ) -> Result<Coverage, CoverageError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Coverage { about, want, limit, reply };
        let sent = self.shared.commands.send(Command::Coverage(ask)).await;
        sent.map_err(|_| CoverageError::Closed)?;
        let covered = answer.await.map_err(|_| CoverageError::Closed)??;
        let members = self.members();
        let name = |id: &rumormill_core::NodeId| {
            let id = id.to_string();
            members.iter().find(|member| member.id == id).map_or(id, |member| member.name.clone())
        };
        Ok(Coverage {
            held: covered.held,
            of: covered.of,
            done: covered.done,
            without: covered.without.iter().map(name).collect(),
        })
    }

    /// Asks every member whether it holds what this node holds under a key, and waits for their
    /// answers for at most `limit`. `None` if this node holds nothing there, not even a deletion.
    ///
    /// # Errors
    /// As for [`Rumormill::wait_until_held`].
    pub async fn coverage(
        &self,
        key: impl AsRef<[u8]>,
        limit: Duration,
    ) -> Result<Option<KeyCoverage>, CoverageError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Stamp { key: key.as_ref().into(), reply };
        let sent = self.shared.commands.send(Command::Coverage(ask)).await;
        sent.map_err(|_| CoverageError::Closed)?;
        let found = answer.await.map_err(|_| CoverageError::Closed)?;
        let Some((stamp, deleted)) = found else { return Ok(None) };
        let coverage = self.wait_until_held([(key, stamp)], Want::Survey, Some(limit)).await?;
        Ok(Some(KeyCoverage { stamp, deleted, coverage }))
    }

    /// Time since this node was last known to hold all that some other member held, `None` if that
    /// never was; zero where there is no other. Writes that neither had heard of are not excluded.
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        let fresh = self.freshness();
        match fresh.alone {
            true => Some(Duration::ZERO),
            false => fresh.agreed.map(|agreed| agreed.elapsed()),
        }
    }

    /// Makes sure that [`Rumormill::staleness`] is within a bound: if it is not, other members are
    /// asked to compare themselves with this node, for less than half a second. Returns what it is.
    ///
    /// # Errors
    /// If it is not within the bound, the bound is too small for any node, or the node has shut
    /// down.
    pub async fn fresh_within(&self, bound: Duration) -> Result<Duration, StaleError> {
        let least = self.freshness().least;
        if bound < least {
            return Err(StaleError::Bound { least });
        }
        if let Some(staleness) = self.staleness().filter(|staleness| *staleness <= bound) {
            return Ok(staleness);
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.commands.send(Command::Coverage(Ask::Fresh { bound, reply })).await;
        sent.map_err(|_| StaleError::Closed)?;
        match answer.await.map_err(|_| StaleError::Closed)? {
            Some(staleness) if staleness <= bound => Ok(staleness),
            staleness => Err(StaleError::Stale { staleness, bound }),
        }
    }

    /// True once this node has agreed with another member since its start, and from the start on
    /// where there is none to agree with: no member to join by, and none in its data folder. Where
    /// all that it knows turn out to be gone it is true as well.
    #[must_use]
    pub fn has_agreed(&self) -> bool {
        !self.shared.snapshot.unagreed.load(Relaxed)
    }

    /// True if what this node shows may have been deleted or replaced while it was down: it has
    /// begun with what its data folder held, less than `limit` ago, and has not agreed with another
    /// member yet.
    #[must_use]
    pub fn is_loading(&self, limit: Duration) -> bool {
        self.shared.restored && !self.has_agreed() && self.shared.started.elapsed() < limit
    }

    fn freshness(&self) -> Freshness {
        let numbers = &self.shared.snapshot.numbers;
        numbers.lock().unwrap_or_else(PoisonError::into_inner).freshness
    }

    /// Members that could hold a write: those that are alive or suspected, this node included.
    pub(crate) fn present(&self) -> usize {
        self.shared.snapshot.present()
    }

    /// True if this node may be on the small side of a partition.
    #[must_use]
    pub fn partition_suspected(&self) -> bool {
        let alarms = &self.shared.snapshot.alarms;
        alarms.lock().unwrap_or_else(PoisonError::into_inner).partition_suspected
    }
}
