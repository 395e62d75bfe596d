//! Proofs that a peer receives where it says it does, for packets that do not come sealed.
//!
//! The source of a datagram may be forged. So a node gives away a *cookie*: a hash, under a secret
//! of its own, of the address that it sends it to. Whoever repeats it has received what was sent
//! there, and its packet may say what lasts. The node keeps nothing for that; who was given a
//! cookie keeps it, and puts it into each packet that makes such a claim. Source: the cookies of
//! DTLS (RFC 6347, section 4.2.1) and the tokens of QUIC (RFC 9000, section 8.1).

use super::kind;
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::hash::{Keyed, Map};
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::data::Space;
use crate::output::{Class, Via};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A cookie is taken for this long, and for as long again (guess: some passes of ring repair).
const EPOCH: Duration = Duration::from_secs(60 * 60);
/// For this long all packets to who gave a cookie carry it: what it was given for comes next.
const FRESH: Duration = Duration::from_secs(5);
/// And so long those carry it that may make claims: it was asked for once, and may be soon (guess).
const ASKED: Duration = Duration::from_secs(60);
/// A cookie that was given without being asked for does not take the place of one that is younger.
const KEEP: Duration = Duration::from_secs(1);
/// Addresses of which anything is remembered.
const MAX_KNOWN: usize = 32_768;
/// A claim is kept for so long after it was sent: it is sent once more if it lacked a proof (guess:
/// some round trips).
const REPEAT: Duration = Duration::from_secs(2);
/// Bytes of claims that are kept, the latest ones, and of one of them.
const MAX_SENT: usize = 256 * 1024;
const MAX_CLAIM: usize = 16 * 1024;
/// Most bytes that proofs take in a packet.
pub const ROOM: usize = 2 + 8 + 2 + 9;

/// A cookie as it comes: [`kind::COOKIE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The cookie.
    pub cookie: u64,
    /// True if whoever gives it does not know its receiver.
    pub unknown: bool,
    /// True if what its receiver had said was passed over for lack of a proof.
    pub refused: bool,
    /// The cookie that its receiver had given in the packet that this answers.
    pub echo: Option<u64>,
}

impl Given {
    /// The body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.cookie.to_le_bytes().to_vec();
        let flags = [self.unknown, self.echo.is_some(), self.refused];
        let bits = flags.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit);
        body.put(&[bits.sum()]);
        if let Some(echo) = self.echo {
            body.put(&echo.to_le_bytes());
        }
        body
    }

    /// Reads the body.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let (cookie, flags) = (body.u64()?, body.u8()?);
        let echo = if flags & 2 == 0 { None } else { Some(body.u64()?) };
        Ok(Self { cookie, unknown: flags & 1 != 0, refused: flags & 4 != 0, echo })
    }
}

/// A cookie that is held.
#[derive(Clone, Copy, Debug)]
struct Held {
    cookie: u64,
    since: Instant,
}

/// The cookies of a node.
#[derive(Debug)]
pub struct Proofs {
    secret: Keyed,
    /// True if what is sent needs a proof, since it is not sealed.
    on: bool,
    now: Instant,
    /// What others gave, by where they receive.
    held: Map<SocketAddr, Held>,
    /// Who has repeated a cookie of this node, and when.
    shown: Map<SocketAddr, Instant>,
    /// The latest claims, and their bytes.
    sent: VecDeque<Sent>,
    sent_bytes: usize,
}

/// A claim that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// To whom.
    pub to: SocketAddr,
    /// Class and way.
    pub how: (Class, Via),
    /// Its kind.
    pub kind: u8,
    /// Its body.
    pub body: Vec<u8>,
    at: Instant,
}

impl Default for Proofs {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Proofs {
    /// None is held. `seed` determines the secret.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Not from the node's other random numbers, some of which can be seen.
        let mut rng = Rng::new(seed ^ 0x636f_6f6b_6965_2121);
        let secret = Keyed::secret(rng.bits(), rng.bits());
        let (held, shown, sent) = (Map::default(), Map::default(), VecDeque::new());
        Self { secret, on: true, now: Instant(0), held, shown, sent, sent_bytes: 0 }
    }

    /// Whether what is sent needs a proof.
    pub fn set_on(&mut self, on: bool) {
        self.on = on;
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while self.sent.front().is_some_and(|sent| sent.at.after(REPEAT) <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.sent.pop_front();
        self.sent_bytes -= oldest.map_or(0, |sent| sent.body.len());
    }

    /// Something is sent: a claim is kept for a while.
    pub fn keep(&mut self, to: SocketAddr, how: (Class, Via), kind: u8, body: &[&[u8]]) {
        let len: usize = body.iter().map(|part| part.len()).sum();
        let repeats = claims(kind, body) && !kind::is_step(kind) || may_claim(kind);
        if !self.on || len > MAX_CLAIM || !repeats {
            return;
        }
        if may_claim(kind) {
            // An opening takes the place of the one before: that has been answered.
            self.sent.retain(|sent| sent.to != to || !may_claim(sent.kind));
            self.sent_bytes = self.sent.iter().map(|sent| sent.body.len()).sum();
        }
        self.sent_bytes += len;
        self.sent.push_back(Sent { to, how, kind, body: body.concat(), at: self.now });
        while self.sent_bytes > MAX_SENT {
            self.drop_oldest();
        }
    }

    /// The claims that were sent to an address lately, to be sent once more.
    pub fn again(&mut self, to: SocketAddr) -> Vec<Sent> {
        let (again, rest): (Vec<_>, Vec<_>) = self.sent.drain(..).partition(|it| it.to == to);
        self.sent = rest.into();
        self.sent_bytes = self.sent.iter().map(|sent| sent.body.len()).sum();
        again
    }

    /// Bytes of a packet that proofs may take.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.on { ROOM } else { 0 }
    }

    fn cookie_of(&self, at: SocketAddr, epoch: u64) -> u64 {
        let ip = match at.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut bytes = ip.octets().to_vec();
        bytes.put(&at.port().to_le_bytes());
        bytes.put(&epoch.to_le_bytes());
        self.secret.hash64(&bytes)
    }

    fn epoch(&self) -> u64 {
        self.now.0 / crate::base::time::micros(EPOCH)
    }

    /// The cookie for whoever receives at an address.
    #[must_use]
    pub fn cookie(&self, at: SocketAddr) -> u64 {
        self.cookie_of(at, self.epoch())
    }

    /// True for a cookie that this node has sent there.
    #[must_use]
    pub fn is_for(&self, cookie: u64, at: SocketAddr) -> bool {
        let epoch = self.epoch();
        [Some(epoch), epoch.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|epoch| self.cookie_of(at, epoch) == cookie)
    }

    /// Whoever receives at an address gave a cookie. True if it is kept. What was `asked` for, or
    /// answers what was sent there, takes the place of any other.
    pub fn take(&mut self, from: SocketAddr, cookie: u64, asked: bool) -> bool {
        let held = self.held.get(&from);
        if held.is_some_and(|held| held.cookie != cookie && self.now < held.since.after(KEEP))
            && !asked
        {
            return false;
        }
        let (now, since) = (self.now, |held: &Held| held.since);
        make_room(&mut self.held, from, now, since);
        self.held.insert(from, Held { cookie, since: self.now });
        true
    }

    /// The cookie to put into a packet to an address, one that makes claims that last, or may, or not.
    #[must_use]
    pub fn vouch(&self, to: SocketAddr, claims: bool, may: bool) -> Option<u64> {
        let held =
            self.held.get(&to).filter(|held| self.on && self.now < held.since.after(EPOCH))?;
        let asked = self.now < held.since.after(if may { ASKED } else { FRESH });
        (claims || asked).then_some(held.cookie)
    }

    /// Whoever receives at an address has shown that.
    pub fn show(&mut self, at: SocketAddr) {
        let now = self.now;
        make_room(&mut self.shown, at, now, |shown| *shown);
        self.shown.insert(at, self.now);
    }

    /// The cookie to put into a packet to an address that asks for what lasts: none if who receives
    /// there has one.
    #[must_use]
    pub fn give(&self, to: SocketAddr) -> Option<u64> {
        let lately = |shown: &Instant| self.now < shown.after(EPOCH / 2);
        (self.on && !self.shown.get(&to).is_some_and(lately)).then(|| self.cookie(to))
    }

    /// Checks what must hold at any time.
    pub(crate) fn check(&self) {
        assert!(self.held.len() <= MAX_KNOWN && self.shown.len() <= MAX_KNOWN, "too many proofs");
        let bytes: usize = self.sent.iter().map(|sent| sent.body.len()).sum();
        assert!(bytes == self.sent_bytes && bytes <= MAX_SENT, "{bytes} bytes of claims are kept");
    }
}

/// Makes room for one more: what is too old goes, or all.
fn make_room<T>(
    map: &mut Map<SocketAddr, T>,
    new: SocketAddr,
    now: Instant,
    since: impl Fn(&T) -> Instant,
) {
    if map.len() < MAX_KNOWN || map.contains_key(&new) {
        return;
    }
    map.retain(|_, value| now < since(value).after(EPOCH));
    if map.len() >= MAX_KNOWN {
        map.clear();
    }
}

/// True for messages that may change for long what their receiver knows, by kind and body.
#[must_use]
pub fn claims(kind: u8, body: &[&[u8]]) -> bool {
    let roster = |place: usize| byte(body, place) == Some(Space::Roster.code());
    match kind {
        kind::JOIN => true,
        kind::TREE | kind::TREE_INSIDE | kind::TREE_ACROSS => roster(0),
        kind::RUMORS | kind::MAIL | kind::ENTRIES | kind::PIECE => roster(0),
        _ => kind::is_ring(kind),
    }
}

/// True for messages that may be claims, which depends on what their receiver holds: that far more is
/// held here, or the same. They carry a proof where one was asked for lately, and are said again with one.
#[must_use]
pub fn may_claim(kind: u8) -> bool {
    matches!(kind, kind::DIGEST | kind::SKETCH)
}

/// True for messages that are answered with such.
#[must_use]
pub fn asks(kind: u8, body: &[&[u8]]) -> bool {
    let roster = |place: usize| byte(body, place) == Some(Space::Roster.code());
    match kind {
        kind::JOIN => true,
        kind::PULL | kind::WANT => roster(0),
        kind::SPLIT | kind::ITEMS => roster(1),
        _ => kind::is_ring(kind),
    }
}

fn byte(body: &[&[u8]], place: usize) -> Option<u8> {
    body.iter().flat_map(|part| part.iter()).nth(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn a_cookie_proves_one_address_for_a_while() {
        let mut proofs = Proofs::new(1);
        let cookie = proofs.cookie(at(1));
        assert!(proofs.is_for(cookie, at(1)) && !proofs.is_for(cookie, at(2)));
        assert!(!Proofs::new(2).is_for(cookie, at(1)), "another's secret");
        proofs.advance(Instant(0).after(EPOCH + EPOCH / 2));
        assert!(proofs.is_for(cookie, at(1)), "the epoch before counts");
        proofs.advance(Instant(0).after(EPOCH * 2));
        assert!(!proofs.is_for(cookie, at(1)));
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:1".parse().unwrap();
        assert_eq!(proofs.cookie(mapped), proofs.cookie(at(1)), "one address, two texts");
    }

    #[test]
    fn what_is_given_goes_with_claims_and_at_first_with_all() {
        let mut proofs = Proofs::new(1);
        assert_eq!(proofs.vouch(at(1), true, false), None);
        assert!(proofs.take(at(1), 7, false));
        assert_eq!([true, false].map(|claims| proofs.vouch(at(1), claims, false)), [Some(7); 2]);
        assert!(!proofs.take(at(1), 8, false), "too soon for another");
        assert!(proofs.take(at(1), 9, true));
        proofs.advance(Instant(0).after(FRESH));
        assert_eq!([true, false].map(|claims| proofs.vouch(at(1), claims, false)), [Some(9), None]);
        assert_eq!(proofs.vouch(at(1), false, true), Some(9), "it may be asked for again soon");
        proofs.set_on(false);
        assert_eq!((proofs.vouch(at(1), true, false), proofs.give(at(2))), (None, None));
        proofs.set_on(true);
        proofs.advance(Instant(0).after(EPOCH));
        assert_eq!(proofs.vouch(at(1), true, false), None, "it would not be taken any more");
    }

    #[test]
    fn who_has_shown_a_cookie_is_given_no_other_for_a_while() {
        let mut proofs = Proofs::new(1);
        assert_eq!(proofs.give(at(1)), Some(proofs.cookie(at(1))));
        proofs.show(at(1));
        assert_eq!(proofs.give(at(1)), None);
        proofs.advance(Instant(0).after(EPOCH / 2));
        assert!(proofs.give(at(1)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let mut proofs = Proofs::new(1);
        for number in 0..=MAX_KNOWN as u32 {
            let at = SocketAddr::from((std::net::Ipv4Addr::from(number), 1));
            proofs.take(at, 1, false);
            proofs.show(at);
        }
        proofs.check();
        assert!(proofs.vouch(SocketAddr::from(([0, 0, 128, 0], 1)), true, false).is_some());
    }

    #[test]
    fn claims_are_kept_for_a_moment_and_within_a_bound() {
        let mut proofs = Proofs::new(1);
        let how = (Class::Membership, Via::Datagram);
        let kinds = |sent: Vec<Sent>| sent.iter().map(|sent| sent.kind).collect::<Vec<_>>();
        for kind in [kind::JOIN, kind::PING, kind::RING_LINK, kind::DIGEST] {
            proofs.keep(at(1), how, kind, &[&[1], &[2]]);
        }
        proofs.keep(at(2), how, kind::JOIN, &[&[1]]);
        let again = proofs.again(at(1));
        assert_eq!(again[0].body, [1, 2]);
        assert_eq!(kinds(again), [kind::JOIN, kind::RING_LINK, kind::DIGEST]);
        assert!(proofs.again(at(1)).is_empty(), "once");
        for kind in kind::RING_CHECK..=kind::RING_ENTRIES {
            proofs.keep(at(1), how, kind, &[&[1]]);
        }
        assert!(
            proofs.again(at(1)).is_empty(),
            "steps of a walk are for who has said the one before"
        );
        proofs.advance(Instant(0).after(REPEAT));
        assert!(proofs.again(at(2)).is_empty(), "too late");
        for _ in 0..20 {
            proofs.keep(at(3), how, kind::JOIN, &[&[0; MAX_CLAIM]]);
            proofs.keep(at(3), how, kind::JOIN, &[&[0; MAX_CLAIM + 1]]);
            proofs.check();
        }
        assert_eq!(proofs.again(at(3)).len(), MAX_SENT / MAX_CLAIM);
        proofs.set_on(false);
        proofs.keep(at(3), how, kind::JOIN, &[&[0]]);
        assert!(proofs.again(at(3)).is_empty());
    }

    #[test]
    fn golden_bytes() {
        let (unknown, refused, echo) = (true, false, Some(9));
        let given = Given { cookie: 0x0807_0605_0403_0201, unknown, refused, echo };
        let golden = [1, 2, 3, 4, 5, 6, 7, 8, 3, 9, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(given.encode(), golden);
        assert_eq!(Given::decode(Reader::new(&golden)), Ok(given));
        let plain = Given { unknown: false, refused: true, echo: None, ..given };
        assert_eq!(Given::decode(Reader::new(&plain.encode())), Ok(plain));
        assert!(Given::decode(Reader::new(&golden[..16])).is_err());
    }

    #[test]
    fn kinds_that_last_are_told_by_their_space() {
        let (data, roster) = ([Space::Data.code()], [Space::Roster.code()]);
        for kind in [kind::TREE, kind::MAIL, kind::RUMORS, kind::ENTRIES, kind::PIECE] {
            assert!(claims(kind, &[&roster]) && !claims(kind, &[&data]) && !claims(kind, &[]));
        }
        assert!(asks(kind::SPLIT, &[&[3], &roster]) && !asks(kind::SPLIT, &[&[3], &data]));
        for kind in kind::RING_ANSWER..=kind::VOTE_TAKEN {
            assert!(claims(kind, &[]) && asks(kind, &[]));
        }
        assert!(!claims(kind::PING, &[]) && !asks(kind::DIGEST, &[&roster]));
    }
}
