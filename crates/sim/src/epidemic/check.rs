//! Which settings make an epidemic, and how much memory it takes.

use super::model::{Contact, Contacts, Invalid, Method, Model, Stop};

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

    /// Bytes that a run needs with this many trials at once: see it before starting.
    #[must_use]
    pub fn memory(&self, trials_at_once: usize) -> u64 {
        (self.nodes as u64).saturating_mul(16).saturating_mul(trials_at_once as u64)
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
            return refuse(format!(
                "a fan-out of {fanout} is beyond the {contacts} contacts that a node has: \
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
                "a tree and a ring pass follow the list of members, not a network: use the                  complete network, or another method",
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
