//! The rule by which passes form one chain: which pass may be complete. What members say of
//! themselves when a pass first visits them is gathered in a [`Census`]; [`admit`] counts. The rule
//! and its proof are in docs/chain.md, `crates/sim/tests/it/chain/` has it as a model of which every
//! state is looked at.

use super::history::History;
use super::pass::{Grounds, MAX_BASES, MAX_FORCED, MAX_ORDER, Pass, put_ids, read_ids};
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};

/// Open passes that a census may name.
const MAX_OPEN: usize = MAX_BASES;
/// Members that an answer names.
pub const NAMED: usize = 8;
/// The id that stands for the time before the first pass.
pub const FOUNDING: u64 = 0;

/// A pass that may be complete without anybody here knowing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The pass.
    pub pass: Pass,
    /// How many of those visited have accepted it.
    pub accepted: u64,
}

/// Whose vote in a pass is not with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proxy {
    /// Whose it is.
    pub voter: NodeId,
    /// The pass, or [`FOUNDING`].
    pub pass: u64,
    /// To whom the voter says that it has given it; `None` if who has it says so.
    pub gave: Option<NodeId>,
}

/// What members say when a pass first visits them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// What they remember of members that the pass does not list.
    pub history: History,
    /// Passes that they have accepted, or whom they speak for has, and do not know the end of.
    pub open: Vec<Open>,
    /// Votes that are not with whom they belong to.
    pub proxies: Vec<Proxy>,
    /// Members whose votes an operator has waived.
    pub waived: Vec<NodeId>,
    /// Members that may have been set back to an old copy of their disks.
    pub doubted: Vec<NodeId>,
    /// Members that somebody knows of and that the pass does not list. Of a first pass.
    pub strangers: Vec<NodeId>,
    /// The largest number of a pass that covers one of them, be it behind or not.
    pub number: u32,
    /// An operator's word that nobody is missing from a first pass.
    pub waives_all: bool,
}

impl Census {
    /// A pass that somebody has accepted, or speaks for somebody who has.
    pub fn report(&mut self, pass: &Pass, accepted: bool) {
        let accepted = u64::from(accepted);
        match self.open.iter_mut().find(|open| open.pass.id == pass.id) {
            Some(open) => open.accepted += accepted,
            None => self.open.push(Open { pass: pass.clone(), accepted }),
        }
    }

    /// True if it is within its bounds, so that another node reads it.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        let lists = [self.waived.len(), self.doubted.len(), self.strangers.len()];
        self.open.len() <= MAX_OPEN
            && self.proxies.len() <= MAX_ORDER
            && lists.iter().all(|len| *len <= MAX_ORDER)
    }

    /// Appends it: 9 bytes where there is nothing to say.
    pub fn encode(&self, to: &mut Vec<u8>) {
        self.history.encode(to);
        to.put_varint(self.open.len() as u64);
        for open in &self.open {
            open.pass.encode(to);
            to.put_varint(open.accepted);
        }
        to.put_varint(self.proxies.len() as u64);
        for proxy in &self.proxies {
            to.put(&proxy.voter.0.to_le_bytes());
            to.put(&proxy.pass.to_le_bytes());
            to.put(&[u8::from(proxy.gave.is_some())]);
            proxy.gave.iter().for_each(|to_whom| to.put(&to_whom.0.to_le_bytes()));
        }
        for list in [&self.waived, &self.doubted, &self.strangers] {
            put_ids(list, to);
        }
        to.put_varint(self.number.into());
        to.put(&[u8::from(self.waives_all)]);
    }

    /// Reads what [`Census::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated or has too much of something.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let history = History::decode(from)?;
        let count = from.bounded("open passes", MAX_OPEN)?;
        let open = (0..count)
            .map(|_| Ok(Open { pass: Pass::decode(from)?, accepted: from.varint()? }))
            .collect::<Result<_, DecodeError>>()?;
        let count = from.bounded("votes", MAX_ORDER)?;
        let proxies = (0..count)
            .map(|_| {
                let (voter, pass) = (NodeId(from.u64()?), from.u64()?);
                let gave = if flag(from)? { Some(NodeId(from.u64()?)) } else { None };
                Ok(Proxy { voter, pass, gave })
            })
            .collect::<Result<_, DecodeError>>()?;
        let (waived, doubted, strangers) = (read_ids(from)?, read_ids(from)?, read_ids(from)?);
        let number = from.bounded("number of a pass", u32::MAX as usize)? as u32;
        let waives_all = flag(from)?;
        Ok(Self { history, open, proxies, waived, doubted, strangers, number, waives_all })
    }
}

pub(super) fn flag(from: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Invalid("flag")),
    }
}

/// Why a pass cannot be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Half or more of the members of a pass that it is to be founded on are not here.
    Minority {
        /// That pass.
        pass: u64,
        /// Who is here, or spoken for.
        here: u64,
        /// Of how many.
        of: u64,
        /// Who is not, a few of them.
        missing: Vec<NodeId>,
    },
    /// There would be a majority, but some that are here may have been set back.
    Doubt {
        /// Who, a few of them.
        doubted: Vec<NodeId>,
        /// Who is not here, a few of them.
        missing: Vec<NodeId>,
    },
    /// A first pass takes everybody that anybody knows of.
    Founding {
        /// Who is missing, a few of them.
        missing: Vec<NodeId>,
    },
    /// Too much is to be counted.
    Bounds,
}

/// What a pass is founded on, once all members of the order have been visited. All of them have the
/// link `link`, or none has one.
///
/// # Errors
/// If the pass cannot be complete. Nobody has accepted it then.
pub fn admit(census: &Census, pass: &Pass, link: Option<&Pass>) -> Result<Grounds, Lack> {
    if !census.is_bounded() {
        return Err(Lack::Bounds);
    }
    let order: Set<NodeId> = pass.order.iter().copied().collect();
    let votes = |of: &dyn Fn(&Proxy) -> bool| -> Set<(NodeId, u64)> {
        let proxies = census.proxies.iter().filter(|proxy| of(proxy));
        proxies.map(|proxy| (proxy.voter, proxy.pass)).collect()
    };
    let count = Count {
        order,
        spoken: votes(&|proxy| proxy.gave.is_none()),
        gone: votes(&|proxy| proxy.gave.is_some()),
        lost: votes(&|proxy| proxy.gave.is_some_and(|to| census.waived.contains(&to))),
        doubted: census.doubted.iter().copied().collect(),
        waived: census.waived.iter().copied().collect(),
    };
    let mut forced = match link {
        Some(link) => count.agrees(link)?,
        None => count.founds(census)?,
    };
    let above = link.map_or(0, |link| link.horizon);
    let mut number = link.map_or(census.number, |link| link.grounds.number);
    let (mut bases, mut chain) = (Vec::new(), None::<u64>);
    for open in census.open.iter().filter(|open| open.pass.horizon > above) {
        if count.is_denied(open) || planted::has(Fault::Open) {
            continue;
        }
        forced |= count.agrees(&open.pass)?;
        number = number.max(open.pass.grounds.number);
        bases.push(open.pass.id);
        let began = open.pass.grounds.chain;
        chain = Some(chain.map_or(began, |chain| chain.min(began)));
    }
    let mut grounds = match link {
        Some(link) => link.grounds.clone(),
        // A first pass may be complete that nobody here has heard the end of: then this goes on from it.
        None => Grounds { chain: chain.unwrap_or(pass.horizon), ..Grounds::default() },
    };
    if let (None, Some(after)) = (link, pass.after) {
        // All that were covered are gone, and an operator lets the others go on from where they are.
        grounds.chain = after.chain;
        grounds.forced = vec![(FOUNDING, 0); after.forced as usize];
    }
    if forced {
        grounds.forced.push((pass.id, number));
        let over = grounds.forced.len().saturating_sub(MAX_FORCED);
        grounds.forced.drain(..over);
    }
    let number = number.saturating_add(1);
    Ok(Grounds { number, bases, ..grounds })
}

/// Members of an order, with what they have said.
struct Count {
    order: Set<NodeId>,
    /// Votes that somebody has whom they do not belong to, by voter and pass.
    spoken: Set<(NodeId, u64)>,
    /// Votes that somebody has given away.
    gone: Set<(NodeId, u64)>,
    /// Those of them that were given to somebody who is gone for good.
    lost: Set<(NodeId, u64)>,
    doubted: Set<NodeId>,
    waived: Set<NodeId>,
}

impl Count {
    /// True if somebody who is here and could have accepted a pass has not, and never will. Who may
    /// have been set back may have accepted it and forgotten.
    fn is_denied(&self, open: &Open) -> bool {
        let sure = |id: &&NodeId| self.order.contains(*id) && !self.doubted.contains(*id);
        open.accepted < open.pass.order.iter().filter(sure).count() as u64
    }

    /// True if more than half of the members of a pass agree, and only thanks to an operator.
    fn agrees(&self, base: &Pass) -> Result<bool, Lack> {
        if planted::has(Fault::Majority) {
            return Ok(false);
        }
        let speaks = |voter: NodeId| {
            self.order.contains(&voter) && !self.gone.contains(&(voter, base.id))
                || self.spoken.contains(&(voter, base.id))
        };
        let voters = base.voters();
        let of = voters.len();
        let (here, missing): (Vec<NodeId>, Vec<NodeId>) =
            voters.iter().copied().partition(|voter| speaks(*voter));
        let doubts = |id: &NodeId| self.doubted.contains(id);
        let (doubted, sure): (Vec<NodeId>, Vec<NodeId>) = here.iter().copied().partition(doubts);
        let sure = match planted::has(Fault::Doubt) {
            true => here.len(),
            false => sure.len(),
        };
        // Where all are here, one of them knows of every pass that any of them has lent itself to.
        if 2 * sure > of || voters.iter().all(|id| self.order.contains(id)) {
            return Ok(false);
        }
        // An operator's word about any of them lets those count that are here, sure or not.
        let waives = |id: &NodeId| self.waived.contains(id) || self.lost.contains(&(*id, base.id));
        let waived = missing.iter().filter(|id| waives(id)).count();
        if voters.iter().any(waives) && 2 * (here.len() + waived) > of {
            return Ok(true);
        }
        let named = |ids: Vec<NodeId>| ids.into_iter().take(NAMED).collect();
        Err(match 2 * here.len() > of {
            true => Lack::Doubt { doubted: named(doubted), missing: named(missing) },
            false => Lack::Minority {
                pass: base.id,
                here: here.len() as u64,
                of: of as u64,
                missing: named(missing),
            },
        })
    }

    /// The first pass: true if it takes an operator's word.
    fn founds(&self, census: &Census) -> Result<bool, Lack> {
        if planted::has(Fault::Founding) {
            return Ok(false);
        }
        let spoken =
            |id: &NodeId| self.order.contains(id) || self.spoken.contains(&(*id, FOUNDING));
        let missing = census.strangers.iter().filter(|id| !spoken(id));
        let unwaived: Vec<NodeId> =
            missing.clone().filter(|id| !self.waived.contains(*id)).copied().collect();
        match census.waives_all || unwaived.is_empty() {
            true => Ok(census.waives_all || missing.count() > 0),
            false => Err(Lack::Founding { missing: unwaived.into_iter().take(NAMED).collect() }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::retain::tests::{H, pass};

    fn voted(id: u64, horizon: u64, order: &[u64], number: u32) -> Pass {
        let grounds = Grounds { chain: 5, number, ..Grounds::default() };
        Pass { grounds, ..pass(id, horizon, order) }
    }

    fn proxy(voter: u64, pass: u64, gave: bool) -> Proxy {
        Proxy { voter: NodeId(voter), pass, gave: gave.then_some(NodeId(77)) }
    }

    fn here(order: &[u64]) -> Pass {
        pass(99, H + 99, order)
    }

    #[test]
    fn more_than_half_of_the_pass_before_counted_as_they_were() {
        let link = voted(1, H, &[1, 2, 3, 4], 7);
        let census = Census::default();
        let grounds = admit(&census, &here(&[2, 3, 4, 8]), Some(&link)).unwrap();
        assert_eq!(grounds, Grounds { chain: 5, number: 8, ..Grounds::default() });
        let lack = admit(&census, &here(&[1, 2, 8, 9]), Some(&link)).unwrap_err();
        let missing = vec![NodeId(3), NodeId(4)];
        assert_eq!(lack, Lack::Minority { pass: 1, here: 2, of: 4, missing });
    }

    #[test]
    fn who_never_comes_back_has_no_vote() {
        let voteless = [3, 4, 5, 6].map(NodeId).into();
        let link = Pass { voteless, ..voted(1, H, &[1, 2, 3, 4, 5, 6], 7) };
        let census = Census::default();
        assert!(admit(&census, &here(&[1, 2]), Some(&link)).is_ok(), "both voters");
        let lack = admit(&census, &here(&[1, 3, 4, 5, 6]), Some(&link)).unwrap_err();
        let missing = vec![NodeId(2)];
        assert_eq!(lack, Lack::Minority { pass: 1, here: 1, of: 2, missing });
    }

    #[test]
    fn a_vote_counts_where_it_was_given() {
        let link = voted(1, H, &[1, 2, 3, 4, 5], 7);
        let mut census = Census { proxies: vec![proxy(5, 1, false)], ..Census::default() };
        assert!(admit(&census, &here(&[1, 2]), Some(&link)).is_ok(), "5 has left its vote here");
        census.proxies = vec![proxy(5, 2, false)];
        assert!(admit(&census, &here(&[1, 2]), Some(&link)).is_err(), "for another pass");
        census.proxies = vec![proxy(3, 1, true)];
        assert!(admit(&census, &here(&[1, 2, 3]), Some(&link)).is_err(), "3 has given it away");
        census.proxies.push(proxy(3, 1, false));
        assert!(admit(&census, &here(&[1, 2, 3]), Some(&link)).is_ok(), "to one that is here");
        let lost = Census { waived: vec![NodeId(77)], proxies: vec![proxy(3, 1, true)], ..census };
        let grounds = admit(&lost, &here(&[1, 2, 3]), Some(&link)).unwrap();
        assert_eq!(grounds.forced.len(), 1, "to one that is gone for good");
    }

    #[test]
    fn what_may_be_complete_needs_a_majority_too_unless_it_is_denied() {
        let link = voted(1, H, &[1, 2, 3], 7);
        let open = voted(2, H + 5, &[1, 6, 7], 8);
        let mut census = Census::default();
        census.report(&open, true);
        let lack = admit(&census, &here(&[1, 2, 3]), Some(&link)).unwrap_err();
        assert!(matches!(lack, Lack::Minority { pass: 2, here: 1, of: 3, .. }), "{lack:?}");
        census.report(&open, true);
        let grounds = admit(&census, &here(&[1, 2, 6]), Some(&link)).unwrap();
        assert_eq!((grounds.number, grounds.bases), (9, vec![2]), "two of three have accepted it");
        let grounds = admit(&census, &here(&[1, 2, 6, 7]), Some(&link)).unwrap();
        assert_eq!((grounds.number, grounds.bases), (8, vec![]), "7 is here and has not: denied");
        census.doubted = vec![NodeId(7)];
        let grounds = admit(&census, &here(&[1, 2, 6, 7]), Some(&link)).unwrap();
        assert_eq!((grounds.number, grounds.bases), (9, vec![2]), "7 may have forgotten it");
        let late = Pass { horizon: H, ..open };
        census.open[0].pass = late;
        assert!(admit(&census, &here(&[1, 2]), Some(&link)).unwrap().bases.is_empty());
    }

    #[test]
    fn who_may_have_been_set_back_does_not_decide_unless_all_are_here() {
        let link = voted(1, H, &[1, 2, 3], 7);
        let census = Census { doubted: vec![NodeId(2)], ..Census::default() };
        let lack = admit(&census, &here(&[1, 2]), Some(&link)).unwrap_err();
        let (doubted, missing) = (vec![NodeId(2)], vec![NodeId(3)]);
        assert_eq!(lack, Lack::Doubt { doubted, missing });
        assert!(admit(&census, &here(&[1, 2, 3]), Some(&link)).is_ok());
        let waived = Census { waived: vec![NodeId(3)], ..census };
        assert_eq!(admit(&waived, &here(&[1, 2]), Some(&link)).unwrap().forced.len(), 1);
    }

    #[test]
    fn an_operator_forces_and_that_is_remembered() {
        let link = voted(1, H, &[1, 2, 3, 4], 7);
        let census = Census { waived: vec![NodeId(3)], ..Census::default() };
        let grounds = admit(&census, &here(&[1, 2]), Some(&link)).unwrap();
        assert_eq!((grounds.number, &grounds.forced), (8, &vec![(99, 7)]));
        let plain = admit(&census, &here(&[1, 2, 4]), Some(&link)).unwrap();
        assert!(plain.forced.is_empty(), "it was not needed");
        let next = Pass { grounds, ..here(&[1, 2]) };
        let after = admit(&Census::default(), &pass(100, H + 100, &[1, 2]), Some(&next)).unwrap();
        assert_eq!(after.forced, [(99, 7)], "and so does every pass after it");
    }

    #[test]
    fn the_first_pass_takes_everybody() {
        let mut census = Census { strangers: vec![NodeId(8), NodeId(9)], ..Census::default() };
        let first = here(&[1, 2]);
        let missing = vec![NodeId(8), NodeId(9)];
        assert_eq!(admit(&census, &first, None), Err(Lack::Founding { missing }));
        census.proxies = vec![proxy(8, FOUNDING, false)];
        let missing = vec![NodeId(9)];
        assert_eq!(admit(&census, &first, None), Err(Lack::Founding { missing }));
        let spoken = Census { strangers: vec![NodeId(8)], ..census.clone() };
        let grounds = admit(&spoken, &first, None).unwrap();
        assert_eq!((grounds.chain, grounds.number, grounds.forced.len()), (H + 99, 1, 0));
        let open = vec![Open { pass: voted(50, H + 50, &[1, 2], 1), accepted: 2 }];
        let grounds = admit(&Census { open, ..spoken }, &first, None).unwrap();
        assert_eq!((grounds.chain, grounds.number), (5, 2), "it goes on from what may be complete");
        census.waived = vec![NodeId(9)];
        assert_eq!(admit(&census, &first, None).unwrap().forced, [(99, 0)]);
        census.waived.clear();
        census.waives_all = true;
        assert_eq!(admit(&census, &first, None).unwrap().forced, [(99, 0)]);
    }

    #[test]
    fn a_census_is_read_again() {
        let mut census = Census {
            proxies: vec![proxy(5, 1, false), proxy(6, 2, true)],
            waived: vec![NodeId(3)],
            doubted: vec![NodeId(4)],
            strangers: vec![NodeId(7), NodeId(8)],
            number: 6,
            waives_all: true,
            ..Census::default()
        };
        census.report(&voted(2, H + 5, &[1, 6, 7], 8), true);
        census.history.visit(NodeId(4), 77);
        let mut bytes = Vec::new();
        census.encode(&mut bytes);
        assert_eq!(Census::decode(&mut Reader::new(&bytes)), Ok(census));
        let mut none = Vec::new();
        Census::default().encode(&mut none);
        assert_eq!(none.len(), 9);
    }
}
