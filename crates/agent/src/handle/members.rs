//! The members, and what this node says of itself among them.

use super::Rumormill;
use crate::command::Command;
use crate::error::WriteError;
use crate::report::{MAX_EVENTS, MemberEvents, MemberInfo, named};
use crate::tags::{TagChange, TagsError};
use rumormill_core::NodeId;
use rumormill_core::member::Tags;
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

impl Rumormill {
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
}
