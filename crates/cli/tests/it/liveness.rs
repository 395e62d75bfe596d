//! Who is held dead and who is not, among real processes: one that is stopped, one that gets hardly
//! any time, and two that cannot hear each other.

use super::fleet::{QUICK, agree, all_alive, fleet};
use super::process::{Agent, until};
use super::world::{Network, folder, run_child};
use std::process::{Command, Stdio};

fn signal(agent: &Agent, name: &str) {
    let status = Command::new("kill").args([name, &agent.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

fn deaths(agents: &[Agent]) -> u64 {
    agents.iter().map(|agent| agent.number("/counters/deaths")).sum()
}

/// Waits until this agent has probed so many more times.
fn probes(agent: &Agent, more: u64) {
    let before = agent.number("/counters/probes_sent");
    until("more probes", || (agent.number("/counters/probes_sent") >= before + more).then_some(()));
}

/// It is held dead itself if that lasts, but takes nobody with it, neither while it stands still
/// nor when it goes on.
#[test]
fn a_stopped_process_brings_nobody_else_down() {
    let agents = fleet(5, None);
    let (stopped, others) = agents.split_last().unwrap();
    signal(stopped, "-STOP");
    until("the others hold it dead", || {
        others.iter().all(|agent| agent.members("dead") == 1).then_some(())
    });
    assert!(others.iter().all(|agent| agent.members("alive") == 4));
    others[0].run(&["set", "meanwhile", "1"]).good();
    signal(stopped, "-CONT");
    all_alive(&agents);
    agree(&agents);
    assert_eq!(stopped.number("/counters/deaths"), 0, "it held others dead");
    assert!(stopped.number("/counters/stalls") > 0, "it did not notice that it had stood still");
    assert_eq!(stopped.run(&["get", "meanwhile"]).good().text(), "1");
}

/// The processors are taken by others, at a better priority: answers come late, and nobody dies of
/// it.
#[test]
fn a_process_that_gets_hardly_any_time_brings_nobody_down() {
    let agents = fleet(4, None);
    let starved = agents[3].pid().to_string();
    let mut renice = Command::new("renice");
    renice.args(["-n", "19", "-p", &starved]).stdout(Stdio::null());
    assert!(renice.status().unwrap().success());
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut busy: Vec<_> = (0..2 * cores)
        .map(|_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
        .collect();
    probes(&agents[0], 60);
    for child in &mut busy {
        let _ = child.kill();
        child.wait().unwrap();
    }
    all_alive(&agents);
    assert_eq!(deaths(&agents), 0);
}

#[test]
fn hosts_that_do_not_hear_each_other_stay_alive_through_others() {
    run_child(
        "liveness::hosts_that_do_not_hear_each_other_child",
        &Network::NAMESPACES,
        Network::SETUP,
    );
}

#[test]
fn hosts_that_do_not_hear_each_other_child() {
    let Some(folder) = folder() else { return };
    let network = Network::new(4);
    let start = |host: usize| {
        let join: &[usize] = if host == 0 { &[] } else { &[0] };
        Network::start(host, join, &folder, &QUICK)
    };
    let agents: Vec<Agent> = (0..4).map(start).collect();
    all_alive(&agents);
    // One way, then both ways.
    for (from, to) in [(0, 1), (1, 0)] {
        network.lose(from, to, true);
        let failed = agents[0].number("/counters/probes_failed");
        probes(&agents[0], 60);
        assert_eq!(agents[0].number("/counters/probes_failed"), failed, "others did not help");
        assert_eq!(deaths(&agents), 0);
        agents[from].run(&["set", &format!("from {from}"), "1"]).good();
        agree(&agents);
    }
    all_alive(&agents);
}
