//! Which settings make an epidemic, and how much memory it takes.

use super::invalid::Invalid;
use super::model::{Contact, Contacts, Method, Model, Stop};
use super::trial::Engine;
use super::{complex, simple};

impl Model {
    /// Checks the settings.
    ///
    /// # Errors
    /// Settings that make no epidemic, with what to do about it.
    pub fn check(&self) -> Result<(), Invalid> {
        self.check_numbers()?;
        self.check_contacts()?;
        self.check_fanout()?;
        self.check_choice_of_partners()?;
        self.check_rule()
    }

    /// Bytes that a run needs with this many trials at once, beside the network itself: see it
    /// before starting. What grows with chance (the lists of never-repeat, the letters and the
    /// ranges under way) is counted as it is at most, or usually.
    #[must_use]
    pub fn memory(&self, trials_at_once: usize) -> u64 {
        let nodes = self.nodes as u64;
        let bits = nodes / 8;
        let some = |wanted: bool, bytes: u64| if wanted { bytes } else { 0 };
        let limited = self.connection_limit.is_some();
        let marked = self.fanout > 1 || limited || self.never_repeat || self.no_return;
        let trial = match Engine::of(self) {
            Engine::Simple => simple::bytes(self.nodes),
            // Anti-entropy behind it has words of its own.
            Engine::Complex => complex::bytes(self.nodes) + simple::bytes(self.nodes),
            Engine::PhoneCall => nodes * 5,
            Engine::Mail => {
                let waiting = self.retries > 0 && (self.loss > 0.0 || self.crash > 0.0);
                let letters = self.start as u64 * nodes;
                bits * 2 + some(waiting, letters.saturating_mul(8))
            }
            // The ranges of two levels, of at least two members each.
            Engine::Tree => bits + nodes * 8,
            Engine::Ring => bits * 2,
            Engine::Gossip => {
                nodes
                    + some(self.stop == Stop::Counter, nodes * 4)
                    + some(limited, nodes * 8)
                    + some(self.no_return, nodes * 4)
                    + some(self.never_repeat, nodes.saturating_mul(24 + 4 * 64))
                    + some(marked, nodes * 4)
                    + some(!self.contacts.is_everyone(), bits)
            }
        };
        // Courses, samples and stacks.
        const BESIDE: u64 = 1 << 20;
        trial.saturating_add(BESIDE).saturating_mul(trials_at_once.max(1) as u64)
    }

    /// Contacts of the node that has most of them.
    fn most_contacts(&self) -> usize {
        match &self.contacts {
            Contacts::Graph(graph) => {
                let nodes = 0..graph.nodes() as u32;
                nodes.map(|node| graph.neighbours(node).len()).max().unwrap_or(0)
            }
            _ => self.nodes.saturating_sub(1),
        }
    }

    fn check_numbers(&self) -> Result<(), Invalid> {
        let nodes = self.nodes;
        if nodes == 0 {
            return refuse("no nodes: an epidemic needs at least 1");
        }
        if nodes > u32::MAX as usize {
            return refuse(format!("{nodes} nodes: there can be at most {}", u32::MAX));
        }
        for (name, value) in [("loss", self.loss), ("crash", self.crash)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("{name} is {value}: a probability is between 0 and 1"));
            }
        }
        if self.start == 0 {
            return refuse("nobody knows the news at the start: start with at least 1 node");
        }
        let live = self.live();
        if live == 0 {
            return refuse(format!(
                "crash is {}: all {nodes} nodes are down, and nobody can know the news; let fewer \
                 crash",
                self.crash
            ));
        }
        if self.start > live {
            let (start, down) = (self.start, nodes - live);
            return refuse(format!(
                "{start} nodes shall know at the start, but of {nodes} nodes {down} are down: \
                 start with at most {live}, or let fewer crash"
            ));
        }
        if self.k == 0 {
            return refuse("k is 0: interest is lost after at least 1 contact");
        }
        if self.max_rounds == 0 {
            return refuse("the bound of rounds is 0: allow at least 1");
        }
        Ok(())
    }

    fn check_fanout(&self) -> Result<(), Invalid> {
        let (fanout, contacts) = (self.fanout, self.most_contacts());
        if fanout == 0 {
            return refuse("the fan-out is 0: a node calls at least 1 other");
        }
        if fanout > contacts.max(1) {
            let plural = if contacts == 1 { "" } else { "s" };
            return refuse(format!(
                "a fan-out of {fanout} is beyond the {contacts} contact{plural} that a node has: \
                 ask for at most {}",
                contacts.max(1)
            ));
        }
        Ok(())
    }

    fn check_contacts(&self) -> Result<(), Invalid> {
        let Contacts::Graph(graph) = &self.contacts else { return Ok(()) };
        if graph.nodes() != self.nodes {
            return refuse(format!(
                "the network has {} nodes and the epidemic {}: make them equal",
                graph.nodes(),
                self.nodes
            ));
        }
        if matches!(self.method, Method::Tree | Method::Ring) {
            return refuse(
                "a tree and a ring pass follow the list of members, not a network: use the \
                 complete network, or another method",
            );
        }
        Ok(())
    }

    fn check_choice_of_partners(&self) -> Result<(), Invalid> {
        if self.connection_limit == Some(0) {
            return refuse("a connection limit of 0 refuses everyone: allow at least 1");
        }
        if self.hunt > 0 && self.connection_limit.is_none() {
            return refuse(
                "hunting is for nodes that were refused, and without a connection limit nobody \
                 is: set a connection limit, or do not hunt",
            );
        }
        let choice = [
            ("a connection limit", self.connection_limit.is_some()),
            ("never-repeat", self.never_repeat),
            ("no-return", self.no_return),
        ];
        for (name, set) in choice {
            if set && (!self.method.is_gossip() || self.median_counter) {
                return refuse(format!(
                    "{name} is for nodes that choose partners again and again: use it with \
                     rumor, anti-entropy or combined (without the median counter)"
                ));
            }
        }
        if self.start > 1 && matches!(self.method, Method::Tree | Method::Ring) {
            return refuse(
                "a tree and a ring pass have one beginning: start with 1 node, or use another \
                 method",
            );
        }
        if self.retries > 0 && self.method != Method::DirectMail {
            return refuse("only direct mail is sent again: set no retries, or use direct mail");
        }
        Ok(())
    }

    fn check_rule(&self) -> Result<(), Invalid> {
        if self.median_counter && self.method != Method::Rumor {
            return refuse("the median counter is a rule for rumors: use the method rumor");
        }
        let rumor = matches!(self.method, Method::Rumor | Method::Combined);
        if self.minimization {
            let counters = self.stop == Stop::Counter && self.feedback;
            if !rumor || self.contact != Contact::PushPull || !counters || self.median_counter {
                return refuse(
                    "minimization compares the counters of two that both know: use it with \
                     rumor, push-pull, feedback and counters",
                );
            }
        }
        if self.median_counter {
            if self.contact != Contact::PushPull {
                return refuse("the median counter needs calls that go both ways: use push-pull");
            }
            if self.fanout != 1 {
                return refuse("in the phone call model each node calls 1 other: set fan-out 1");
            }
        }
        if self.method == Method::Combined && self.stop == Stop::None && !self.median_counter {
            return refuse(
                "a rumor in which nobody loses interest leaves nothing to anti-entropy: choose \
                 coin or counter, or the method anti-entropy alone",
            );
        }
        Ok(())
    }
}

fn refuse(words: impl Into<String>) -> Result<(), Invalid> {
    Err(Invalid(words.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::Graph;
    use std::sync::Arc;

    fn refused(model: Model, because: &str) {
        let Err(Invalid(words)) = model.check() else { panic!("taken: {model:?}") };
        assert!(words.contains(because), "{words}");
    }

    #[test]
    fn the_plain_models_are_taken() {
        let methods = [Method::Rumor, Method::AntiEntropy, Method::DirectMail, Method::Tree];
        for method in methods.into_iter().chain([Method::Ring, Method::Combined]) {
            for nodes in [1, 2, 1000, 100_000_000] {
                assert_eq!(Model { nodes, method, ..Model::default() }.check(), Ok(()));
            }
        }
    }

    #[test]
    fn what_makes_no_epidemic_is_refused_with_advice() {
        let plain = Model::default;
        refused(Model { nodes: 0, ..plain() }, "at least 1");
        refused(Model { loss: 1.1, ..plain() }, "between 0 and 1");
        refused(Model { loss: f64::NAN, ..plain() }, "between 0 and 1");
        refused(Model { crash: -0.1, ..plain() }, "between 0 and 1");
        refused(Model { crash: 1.0, ..plain() }, "let fewer crash");
        refused(Model { start: 0, ..plain() }, "at least 1");
        refused(Model { start: 1001, ..plain() }, "at most 1000");
        refused(Model { k: 0, ..plain() }, "at least 1");
        refused(Model { fanout: 0, ..plain() }, "at least 1");
        refused(Model { fanout: 1000, ..plain() }, "at most 999");
        refused(Model { max_rounds: 0, ..plain() }, "at least 1");
        refused(Model { connection_limit: Some(0), ..plain() }, "at least 1");
        refused(Model { hunt: 1, ..plain() }, "connection limit");
        refused(Model { method: Method::Tree, start: 2, ..plain() }, "start with 1");
        refused(Model { method: Method::Ring, never_repeat: true, ..plain() }, "rumor");
        refused(Model { retries: 1, ..plain() }, "direct mail");
        refused(Model { minimization: true, ..plain() }, "push-pull");
        refused(Model { median_counter: true, ..plain() }, "push-pull");
        refused(Model { method: Method::Combined, stop: Stop::None, ..plain() }, "coin");
    }

    #[test]
    fn a_network_must_have_the_nodes_and_the_contacts() {
        let graph = Arc::new(Graph::from_links(4, &[(0, 1), (1, 2), (1, 3)]).unwrap());
        let model = Model { nodes: 4, contacts: Contacts::Graph(graph), ..Model::default() };
        assert_eq!(model.check(), Ok(()));
        refused(Model { nodes: 5, ..model.clone() }, "make them equal");
        refused(Model { fanout: 4, ..model.clone() }, "3 contacts");
        refused(Model { method: Method::Tree, ..model }, "complete network");
    }

    #[test]
    fn a_hundred_million_nodes_need_less_than_a_gibibyte() {
        let nodes = 100_000_000;
        for contact in [Contact::Push, Contact::Pull, Contact::PushPull] {
            let model = Model { nodes, contact, ..Model::default() };
            assert!(model.memory(1) < 1 << 28);
            let model = Model { method: Method::AntiEntropy, ..model };
            assert!(model.memory(1) < 1 << 25);
        }
    }
}
