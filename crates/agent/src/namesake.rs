//! Watches, for the first moments of an agent, whether its name is taken: two members of one name puzzle
//! people and programs. The one that was there first stays.

use crate::alone::ask;
use crate::report::MemberInfo;
use crate::seal::Lock;
use crate::snapshot::Snapshot;
use rumormill_core::Identity;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long after the start it is looked: by then a node that joins knows who is there (guess).
const FIRST: Duration = Duration::from_secs(15);
/// How often.
const STEP: Duration = Duration::from_millis(100);
/// How long somebody who did not answer is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches for one agent.
pub(crate) struct Namesake {
    pub(crate) own: Identity,
    /// What greetings of this cluster carry.
    pub(crate) tag: u32,
    pub(crate) lock: Option<Arc<Lock>>,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl Namesake {
    /// Where a member of this name is alive that was there before and answers; never ready if there
    /// is none in time.
    pub(crate) async fn found(&self) -> SocketAddr {
        let end = Instant::now() + FIRST;
        while Instant::now() < end {
            tokio::time::sleep(STEP).await;
            let Some(address) = self.claimed() else { continue };
            // Who was killed a moment ago is held alive for some time.
            let asked = ask(address, self.own.gossip, self.tag, self.lock.clone()).await;
            if asked.is_member() && self.claimed() == Some(address) {
                return address;
            }
            tokio::time::sleep(AGAIN).await;
        }
        std::future::pending().await
    }

    /// Where a member of this name is held alive that was there before.
    fn claimed(&self) -> Option<SocketAddr> {
        let members = self.snapshot.members.read().unwrap_or_else(PoisonError::into_inner);
        first_of_name(&members, &self.own.name)
    }
}

/// The address of another member of this name, if it is alive and began before this node.
fn first_of_name(members: &[MemberInfo], name: &str) -> Option<SocketAddr> {
    let own = members.iter().find(|member| member.is_self)?;
    let before = |member: &&MemberInfo| {
        let there = !member.is_self && member.state == "alive" && member.gossip != own.gossip;
        let began = (member.incarnation, &member.id) < (own.incarnation, &own.id);
        there && began && member.name == name
    };
    members.iter().find(before).map(|member| member.gossip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::member::Tags;

    fn member(port: u16, state: &str, incarnation: u64) -> MemberInfo {
        MemberInfo {
            id: port.to_string(),
            name: "a".into(),
            state: state.into(),
            incarnation,
            gossip: ([127, 0, 0, 1], port).into(),
            redis: None,
            http: None,
            tags: Tags::default(),
            ephemeral: false,
            is_self: port == 1,
        }
    }

    #[test]
    fn the_one_that_was_there_first_stays() {
        let found = |other: MemberInfo| {
            first_of_name(&[member(1, "alive", 5), other], "a").map(|address| address.port())
        };
        assert_eq!(found(member(2, "alive", 4)), Some(2));
        assert_eq!(found(member(2, "alive", 6)), None, "it came later");
        assert_eq!(found(member(2, "suspect", 4)), None);
        assert_eq!(found(member(2, "dead", 4)), None);
        assert_eq!(found(MemberInfo { name: "b".into(), ..member(2, "alive", 4) }), None);
        let before = MemberInfo { gossip: member(1, "alive", 1).gossip, ..member(2, "alive", 4) };
        assert_eq!(found(before), None, "this one, before its folder was lost");
    }
}
