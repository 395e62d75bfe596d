//! From options to an epidemic, and which options do nothing with the others.

use crate::args::{MethodArg, Name, PointArgs, SettingsArgs, Source, TopologyArgs};
use crate::commands::sim::memory;
use crate::failure::Failure;
use crate::output::count;
use clap::{Args as _, FromArgMatches as _};
use rumormill_sim::epidemic::{Contacts, Invalid, Method, Model, Stop, Topology};

/// An option that was given and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Its name, with the dashes.
    pub name: &'static str,
    /// Why it does nothing, and what would change that.
    pub why: String,
}

impl Idle {
    pub fn failure(&self) -> anyhow::Error {
        Failure::usage(format!("{} has no effect {}", self.name, self.why))
    }
}

/// Options that do nothing with the others.
pub fn idle(point: &PointArgs) -> Vec<Idle> {
    let settings = &point.settings;
    let mut found = Vec::new();
    let mut check = |names: &[(&'static str, bool)], why: &str| {
        for (name, _) in names.iter().filter(|(_, given)| *given) {
            if found.iter().all(|idle: &Idle| idle.name != *name) {
                found.push(Idle { name, why: why.into() });
            }
        }
    };
    let method = settings.method();
    let with = format!("with --method {}", settings.method_name());
    let rule = [
        ("--stop", settings.stop.is_some()),
        ("--k", settings.k.is_some()),
        ("--feedback", settings.feedback),
        ("--blind", settings.blind),
        ("--minimization", settings.minimization),
    ];
    let median = [("--median-counter", settings.median_counter)];
    let choice = [
        ("--connection-limit", settings.connection_limit.is_some()),
        ("--hunt", settings.hunt.is_some()),
        ("--never-repeat", settings.never_repeat),
        ("--no-return", settings.no_return),
    ];
    if !matches!(method, Method::Rumor | Method::Combined) {
        let why = format!("{with}: nobody loses interest there; leave it out, or use rumor");
        check(&rule, &why);
        check(&median, &why);
    }
    if !method.is_gossip() {
        let why = format!(
            "{with}: nobody chooses partners there again and again; leave it out, or use rumor, \
             anti-entropy or combined"
        );
        check(&[("--contact", settings.contact.is_some())], &why);
        check(&choice, &why);
        check(&[("--spatial", settings.spatial.is_some())], &why);
        let why = format!("{with}, which ends by itself");
        check(&[("--max-rounds", settings.max_rounds.is_some())], &why);
    }
    if matches!(method, Method::DirectMail | Method::Ring) {
        let whom = if method == Method::Ring { "its neighbour" } else { "everyone" };
        let why = format!("{with}: the sender tells {whom}; leave it out");
        check(&[("--fanout", settings.fanout.is_some())], &why);
    }
    if method != Method::DirectMail {
        let why = format!("{with}: only the letters of direct-mail are sent again");
        check(&[("--retries", settings.retries.is_some())], &why);
    }
    if settings.median_counter {
        check(&rule, "with --median-counter, which takes the place of the stop rule");
        check(&choice, "with --median-counter, whose calls are neither refused nor repeated");
    } else if settings.stop() == Stop::None {
        check(&rule[1..], "with --stop none: nobody loses interest");
    }
    if settings.hunt.is_some() && settings.connection_limit.is_none() {
        check(&[choice[1]], "without --connection-limit: nobody is refused");
    }
    found.extend(idle_in_network(&point.topology, settings));
    found
}

/// Options of the network that do nothing.
fn idle_in_network(topology: &TopologyArgs, settings: &SettingsArgs) -> Vec<Idle> {
    let name = match topology.topology {
        Source::Named(name) => Some(name),
        Source::File(_) => None,
    };
    let is = |names: &[Name]| name.is_some_and(|name| names.contains(&name));
    let usual = usual_topology();
    let differs = |value: fn(&TopologyArgs) -> f64| {
        usual.as_ref().is_some_and(|usual| value(usual) != value(topology))
    };
    let near = settings.spatial.is_some() && settings.method().is_gossip();
    let only = |names: &str| format!("with this --topology: it is for {names}");
    let list = [
        (
            "--width",
            topology.width.is_some() && (name.is_none() || is(&[Name::Complete, Name::Grid])),
            only("random, regular, small-world, ring, scale-free and datacenters"),
        ),
        (
            "--spatial",
            near && is(&[Name::Complete]),
            "on a complete network: all are equally far; choose a --topology with distances, such \
             as ring or grid"
                .into(),
        ),
        ("--torus", topology.torus && !is(&[Name::Grid]), only("grid")),
        (
            "--rewire",
            differs(|topology| topology.rewire) && !is(&[Name::SmallWorld]),
            only("small-world"),
        ),
        (
            "--zones",
            differs(|topology| topology.zones as f64) && !is(&[Name::Datacenters]),
            only("datacenters"),
        ),
        (
            "--across",
            differs(|topology| topology.across as f64) && !is(&[Name::Datacenters]),
            only("datacenters"),
        ),
    ];
    let idle = list.into_iter().filter(|(_, idle, _)| *idle);
    idle.map(|(name, _, why)| Idle { name, why }).collect()
}

/// The options of the network as they are if none is given.
fn usual_topology() -> Option<TopologyArgs> {
    let command = TopologyArgs::augment_args(clap::Command::new("topology"));
    TopologyArgs::from_arg_matches(&command.get_matches_from(["topology"])).ok()
}

impl SettingsArgs {
    pub fn method(&self) -> Method {
        self.method.map_or_else(Method::default, Method::from)
    }

    fn method_name(&self) -> String {
        name(self.method.unwrap_or(MethodArg::Rumor))
    }

    pub fn stop(&self) -> Stop {
        self.stop.map_or_else(Stop::default, Stop::from)
    }

    /// The epidemic among nodes that can all call each other, without what does nothing.
    fn model(&self, idle: &[Idle]) -> Model {
        let usual = Model::default();
        let used = |name: &str| idle.iter().all(|idle| idle.name != name);
        // A value, if it was given and has an effect.
        fn given<T: Copy>(used: bool, value: Option<T>, usual: T) -> T {
            value.filter(|_| used).unwrap_or(usual)
        }
        let method = self.method();
        let fanout = if method == Method::Tree { 2 } else { usual.fanout };
        Model {
            nodes: self.nodes.unwrap_or(usual.nodes),
            method,
            contact: given(used("--contact"), self.contact.map(Into::into), usual.contact),
            fanout: given(used("--fanout"), self.fanout, fanout),
            stop: given(used("--stop"), self.stop.map(Into::into), usual.stop),
            k: given(used("--k"), self.k, usual.k),
            feedback: !self.blind || !used("--blind"),
            minimization: self.minimization && used("--minimization"),
            median_counter: self.median_counter && used("--median-counter"),
            connection_limit: self.connection_limit.filter(|_| used("--connection-limit")),
            hunt: given(used("--hunt"), self.hunt, usual.hunt),
            never_repeat: self.never_repeat && used("--never-repeat"),
            no_return: self.no_return && used("--no-return"),
            loss: self.loss.unwrap_or(usual.loss),
            crash: self.crash.unwrap_or(usual.crash),
            start: self.start.unwrap_or(usual.start),
            retries: given(used("--retries"), self.retries, usual.retries),
            max_rounds: given(used("--max-rounds"), self.max_rounds, usual.max_rounds),
            contacts: Contacts::Complete,
        }
    }
}

/// An epidemic that is checked, before its network is drawn.
#[derive(Clone, Debug)]
pub struct Plan {
    pub model: Model,
    point: PointArgs,
    is_spatial: bool,
}

impl Plan {
    /// Checks the options as far as that goes without the network. What is in `idle` is left out.
    ///
    /// # Errors
    /// If they make no epidemic, or it would not fit into memory with so many trials at once.
    pub fn new(point: &PointArgs, idle: &[Idle], trials_at_once: usize) -> anyhow::Result<Self> {
        let model = point.settings.model(idle);
        model.check().map_err(usage)?;
        let named = point.topology.named();
        if matches!(model.method, Method::Tree | Method::Ring) && named != Some(Topology::Complete)
        {
            return Err(Failure::usage(format!(
                "--method {} follows the list of members, not a network: leave --topology out (it \
                 is complete), or use another method",
                point.settings.method_name()
            )));
        }
        if let Some(topology) = named {
            topology.check(model.nodes, point.topology.width(model.nodes)).map_err(usage)?;
        }
        let is_spatial = idle.iter().all(|idle| idle.name != "--spatial");
        let plan = Self { model, point: point.clone(), is_spatial };
        ensure_memory(&plan.model, trials_at_once)?;
        Ok(plan)
    }

    /// Draws or reads the network.
    ///
    /// # Errors
    /// If there is no such network, or the epidemic cannot run on it.
    pub fn build(&self, seed: u64, trials_at_once: usize) -> anyhow::Result<Model> {
        let topology = &self.point.topology;
        let built = topology.build(self.point.settings.nodes, seed)?;
        let mut model = Model { nodes: built.network.nodes(), ..self.model.clone() };
        ensure_memory(&model, trials_at_once)?;
        model.contacts = match self.point.settings.spatial.filter(|_| self.is_spatial) {
            Some(a) => {
                let spatial = topology.spatial(&built, a)?;
                Contacts::Spatial(std::sync::Arc::new(spatial))
            }
            None => built.network.into(),
        };
        model.check().map_err(usage)?;
        Ok(model)
    }
}

fn ensure_memory(model: &Model, trials_at_once: usize) -> anyhow::Result<()> {
    let trials = match trials_at_once {
        1 => "one trial".into(),
        trials => format!("{trials} trials at once (see --threads)"),
    };
    let what = format!("an epidemic of {} nodes, {trials},", count(model.nodes as u64));
    memory::ensure(model.memory(trials_at_once), &what)
}

pub fn usage(error: Invalid) -> anyhow::Error {
    Failure::usage(error.0)
}

/// The word for a choice on the command line.
pub fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, SimCommand};
    use clap::Parser as _;

    fn point(line: &str) -> PointArgs {
        let words = ["rumormill", "sim", "epidemic"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        match cli.command {
            Command::Sim(SimCommand::Epidemic(args)) => args.point,
            _ => unreachable!("{line}"),
        }
    }

    #[test]
    fn options_that_do_nothing_are_found() {
        for (line, idle_name) in [
            ("--method tree --k 2", "--k"),
            ("--method anti-entropy --blind", "--blind"),
            ("--method ring --fanout 2", "--fanout"),
            ("--method direct-mail --contact pull", "--contact"),
            ("--method direct-mail --never-repeat", "--never-repeat"),
            ("--method tree --max-rounds 5", "--max-rounds"),
            ("--method tree --median-counter", "--median-counter"),
            ("--retries 2", "--retries"),
            ("--hunt 2", "--hunt"),
            ("--stop none --k 2", "--k"),
            ("--contact push-pull --median-counter --stop coin", "--stop"),
            ("--contact push-pull --median-counter --no-return", "--no-return"),
            ("--width 4", "--width"),
            ("--topology grid --width 4", "--width"),
            ("--topology ring --torus", "--torus"),
            ("--topology ring --rewire 0.5", "--rewire"),
            ("--spatial 2", "--spatial"),
            ("--zones 9", "--zones"),
        ] {
            let found = idle(&point(line));
            let names: Vec<&str> = found.iter().map(|idle| idle.name).collect();
            assert_eq!(names, [idle_name], "{line}");
        }
    }

    #[test]
    fn options_that_do_something_make_the_model() {
        for line in [
            "",
            "--blind --stop coin --k 3",
            "--method combined --contact pull --connection-limit 1 --hunt 2",
            "--method tree --fanout 4 --loss 0.1",
            "--method direct-mail --retries 3 --crash 0.5",
            "--topology small-world --rewire 0.3 --width 4 --spatial 2",
            "--topology datacenters --zones 3 --across 9",
            "--topology grid --torus --never-repeat --no-return",
            "--contact push-pull --minimization",
            "--method anti-entropy --max-rounds 5 --start 3",
        ] {
            assert_eq!(idle(&point(line)), [], "{line}");
            Plan::new(&point(line), &[], 1).unwrap();
        }
        let tree = Plan::new(&point("--method tree"), &[], 1).unwrap();
        assert_eq!(tree.model.fanout, 2);
        let ignored = point("--method tree --k 7 --blind");
        let plan = Plan::new(&ignored, &idle(&ignored), 1).unwrap();
        assert!(plan.model.k == 1 && plan.model.feedback);
    }
}
