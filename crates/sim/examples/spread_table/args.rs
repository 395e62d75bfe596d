//! The example's command line.

use std::fmt::Display;
use std::str::FromStr;

pub const HELP: &str = "\
Measures how updates spread, with the real protocol core in a simulated cluster.

  spread_table [TABLE] [OPTIONS]

Tables: tree (the default), mail, rumor, entropy, burst

  --nodes N[,N...]          Nodes [100,1000]
  --trials N                Updates for each row [20]
  --seed N                  Everything random follows from it [1]
  --loss P[,P...]           Shares of datagrams lost [0,0.01,0.05]
  --crashed P[,P...]        Shares of nodes crashed just before [0,0.2]
  --fanout N[,N...]         Tree: parts of a range [2,4,8,16,32]
  --acknowledge A[,A...]    Tree: hops that are answered [none,branches,all]
  --settle MS[,MS...]       Age from which entries are compared
  --interval MS[,MS...]     Mean time between exchanges while there is news";

/// What was asked for; empty lists and zeros stand for the default.
#[derive(Debug, Default)]
pub struct Args {
    pub table: String,
    pub nodes: Vec<usize>,
    pub trials: usize,
    pub seed: u64,
    pub loss: Vec<f64>,
    pub crashed: Vec<f64>,
    pub fanout: Vec<usize>,
    pub acknowledge: Vec<String>,
    pub settle: Vec<u64>,
    pub interval: Vec<u64>,
}

impl Args {
    /// Reads the arguments behind the program's name.
    pub fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self { table: "tree".into(), seed: 1, ..Self::default() };
        while let Some(name) = given.next() {
            if !name.starts_with('-') {
                args.table = name;
                continue;
            }
            let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--nodes" => args.nodes = list(&name, &value)?,
                "--trials" => args.trials = one(&name, &value)?,
                "--seed" => args.seed = one(&name, &value)?,
                "--loss" => args.loss = list(&name, &value)?,
                "--crashed" => args.crashed = list(&name, &value)?,
                "--fanout" => args.fanout = list(&name, &value)?,
                "--acknowledge" => args.acknowledge = list(&name, &value)?,
                "--settle" => args.settle = list(&name, &value)?,
                "--interval" => args.interval = list(&name, &value)?,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(args)
    }
}

fn one<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|error| format!("{name} {value}: {error}"))
}

fn list<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<Vec<T>, String> {
    value.split(',').map(|value| one(name, value)).collect()
}

/// The list that was given, or the default one.
pub fn or<T: Clone>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}
