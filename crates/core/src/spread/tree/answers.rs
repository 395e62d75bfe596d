//! Answers to delegates' senders: a lone one goes at once, those that follow closely go together.

use super::message::{Head, MAX_ANSWERS};
use crate::base::codec::Write as _;
use crate::base::time::Instant;
use crate::member::Env;
use crate::output::{Class, Via};
use crate::wire::kind;
use std::net::SocketAddr;
use std::time::Duration;

/// Answers within this time of the last ones travel together (guess: half of the shortest wait for
/// one).
pub(super) const COLLECT: Duration = Duration::from_millis(10);

/// What is to be answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Tokens, with whom they are to be sent to.
    waiting: Vec<(SocketAddr, u64)>,
    /// When answers last went out on their own.
    sent: Option<Instant>,
}

impl Answers {
    /// Answers a rumor that asks for it, with the next poll or soon after.
    pub(super) fn add(&mut self, token: u64, to: SocketAddr) {
        if token != 0 {
            self.waiting.push((to, token));
        }
    }

    /// When they are to be sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.due())
    }

    fn due(&self) -> Instant {
        self.sent.map_or(Instant(0), |sent| sent.after(COLLECT))
    }

    /// Sends them if it is time.
    pub(super) fn poll(&mut self, env: &mut Env<'_>) {
        if self.deadline().is_none_or(|due| due > env.now) {
            return;
        }
        self.sent = Some(env.now);
        // Stable: the tokens for one peer stay in their order.
        self.waiting.sort_by_key(|(to, _)| *to);
        for answers in self.waiting.chunk_by(|one, next| one.0 == next.0) {
            send(answers, env);
        }
        self.waiting.clear();
    }

    /// Something is sent to a peer: answers that wait for it ride along.
    pub(super) fn ride(&mut self, to: SocketAddr, env: &mut Env<'_>) {
        if !self.waiting.is_empty() {
            let riding = self.waiting.extract_if(.., |(waiting, _)| *waiting == to);
            send(&riding.collect::<Vec<_>>(), env);
        }
    }
}

/// Sends answers that all go to one peer.
pub(super) fn send(answers: &[(SocketAddr, u64)], env: &mut Env<'_>) {
    let kind = kind::TREE_ANSWER;
    if let [(to, token)] = answers {
        let answer = Head::answer(*token);
        return env.outbox.push(*to, Class::Updates, Via::Datagram, kind, &[answer.bytes()]);
    }
    for answers in answers.chunks(MAX_ANSWERS.min(env.room() / 10)) {
        let Some((to, _)) = answers.first() else { return };
        let mut body = Vec::with_capacity(10 * answers.len());
        answers.iter().for_each(|(_, token)| body.put_varint(*token));
        env.outbox.push(*to, Class::Updates, Via::Datagram, kind, &[&body]);
    }
}
