//! Passes form one chain, among real agents: the five cases of docs/chain.md in which a majority of
//! those that are left is not enough. What was deleted must not come back, and what was acknowledged
//! must not be lost.

use super::fleet::{QUICK, agree, all_alive};
use super::process::{Agent, until};
use super::ring::{all_see, collect, delete, holds, kill, pass, write};
use super::world::{Network, folder, run_child};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// Passes are made when somebody asks for one.
const BY_HAND: [&str; 2] = ["--set", "ring.interval=1h"];
/// How often a side of a partition is asked for a pass that it may have to refuse.
const ASKED: usize = 20;

/// An agent on this host, with a folder.
fn start(folder: &Path, name: &str, more: &[&str]) -> Agent {
    let data = folder.join(name);
    let own = ["--name", name, "--data", data.to_str().unwrap()];
    Agent::start(&[&own[..], &QUICK[..], &BY_HAND, more].concat())
}

/// Asks an agent for a pass; it may refuse, or give it up.
fn ask(agent: &Agent) {
    agent.run(&["repair", "ring", "--no-wait"]);
}

/// Does not wait for these any more, once they are held dead.
#[track_caller]
fn forget(agent: &Agent, names: &[&str]) {
    all_see(std::slice::from_ref(agent), "dead", names.len() as u64);
    names.iter().for_each(|name| drop(agent.run(&["forget", name]).good()));
}

fn has_collected(agent: &Agent) -> bool {
    agent.number("/tombstones") == 0
}

/// Has both sides of a partition make what passes they can: until one has collected, if one of them
/// must be able to, and then for some more of the other.
fn both_make_passes(sides: [&Agent; 2], one_can: bool) {
    let any = || sides.iter().any(|side| has_collected(side));
    if one_can {
        until("one side has collected", || {
            sides.into_iter().for_each(ask);
            any().then_some(())
        });
    }
    for _ in 0..ASKED {
        sides.into_iter().filter(|side| !has_collected(side)).for_each(ask);
    }
}

#[track_caller]
fn all_covered(agents: &[Agent]) {
    until("all are covered", || {
        agents.iter().all(|agent| agent.status()["covered"] == true).then_some(())
    });
}

/// Checks that none of these keys is held by anybody.
#[track_caller]
fn none_holds(agents: &[Agent], keys: Range<u32>) {
    for agent in agents {
        let held = agent.holds();
        let back: Vec<u32> =
            keys.clone().filter(|n| held.contains_key(&format!("k/{n}"))).collect();
        assert!(back.is_empty(), "{back:?} were deleted, and are back at {}", agent.hello["name"]);
    }
}

#[test]
fn two_leave_and_the_others_are_cut_apart() {
    let child = "chain::two_leave_and_the_others_are_cut_apart_child";
    run_child(child, &Network::NAMESPACES, Network::SETUP);
}

/// Hosts with odd numbers are on one side, the others on the other; 2 and 4 leave before that, and
/// return after it.
#[test]
fn two_leave_and_the_others_are_cut_apart_child() {
    let Some(folder) = folder() else { return };
    let network = Network::new(5);
    let settings = [&QUICK[..], &BY_HAND].concat();
    let begin = |host: usize| {
        let join: &[usize] = if host == 0 { &[] } else { &[0] };
        Network::start(host, join, &folder, &settings)
    };
    let mut agents: Vec<Agent> = (0..5).map(begin).collect();
    all_alive(&agents);
    write(&agents[0], 0..30);
    write(&agents[4], 30..60);
    agree(&agents);
    pass(&agents[0], 5);
    all_covered(&agents);

    for leaver in [4, 2] {
        agents.remove(leaver).run(&["leave"]).good();
    }
    all_see(&agents, "left", 2);
    network.cut(true);
    let mut all: Vec<Agent> = vec![agents.remove(0), begin(2), begin(4)];
    all.extend(agents);
    until("the side of the leavers is whole", || {
        all[..3].iter().all(|agent| agent.members("alive") == 3).then_some(())
    });
    forget(&all[0], &["h1", "h3"]);
    forget(&all[3], &["h0"]);
    let deleted = [(0, 0..20), (3, 20..40)];
    deleted.iter().for_each(|(by, keys)| delete(&all[*by], keys.clone()));
    both_make_passes([&all[0], &all[3]], true);
    let (collected, not): (Vec<_>, Vec<_>) =
        deleted.into_iter().partition(|(by, _)| has_collected(&all[*by]));
    assert_eq!(collected.len(), 1, "one side has the majority, and one side only");
    network.cut(false);
    all_alive(&all);
    all_covered(&all);
    agree(&all);
    collect(&all);
    none_holds(&all, collected[0].1.clone());
    // What the other side deleted is deleted, or kept aside where it was: others had seen it.
    let (by, keys) = not[0].clone();
    names_what_it_keeps(&all, by, keys);
    let held = all[0].holds();
    assert!((40..60).all(|n| held.contains_key(&format!("k/{n}"))), "{:?}", held.keys());
}

/// Checks that none of these keys is held, unless an agent keeps the deletion of it aside.
#[track_caller]
fn names_what_it_keeps(agents: &[Agent], at: usize, keys: Range<u32>) {
    let aside = agents[at].run(&["strays", "list", "--format", "json"]).good().text();
    let held = agents[at].holds();
    for key in keys.map(|n| format!("k/{n}")) {
        assert!(!held.contains_key(&key) || aside.contains(&key), "{key} is back: {aside}");
    }
}

#[test]
fn the_fleet_is_replaced_twice_and_an_old_member_returns() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut agents = vec![start(folder, "n0", &[])];
    let seed = agents[0].gossip().to_owned();
    agents.extend(["n1", "n2", "n3"].map(|name| start(folder, name, &["--join", &seed])));
    all_alive(&agents);
    write(&agents[3], 0..5);
    write(&agents[0], 5..25);
    agree(&agents);
    pass(&agents[0], 4);
    agents.pop().unwrap().run(&["leave"]).good();
    all_see(&agents, "left", 1);
    delete(&agents[1], 0..5);
    collect(&agents);
    holds(&agents, 20);

    for generation in 1..=2 {
        for number in 0..3 {
            let seed = agents[1].gossip().to_owned();
            let name = format!("n{number}-{generation}");
            agents.push(start(folder, &name, &["--join", &seed]));
            all_alive(&agents);
            all_covered(&agents);
            pass(&agents[3], 4);
            agents.remove(0).run(&["leave"]).good();
            all_alive(&agents);
            pass(&agents[2], 3);
        }
    }
    let seed = agents[0].gossip().to_owned();
    agents.push(start(folder, "n3", &["--join", &seed]));
    all_alive(&agents);
    all_covered(&agents);
    pass(&agents[3], 4);
    none_holds(&agents, 0..5);
    holds(&agents, 20);
}

/// What a node wrote just before it went is seen by others, deleted and collected; then it returns.
fn goes_right_after_writing(go: impl Fn(Agent, &[Agent])) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut agents = vec![start(folder, "n0", &[])];
    let seed = agents[0].gossip().to_owned();
    agents.extend(["n1", "n2"].map(|name| start(folder, name, &["--join", &seed])));
    all_alive(&agents);
    pass(&agents[0], 3);
    for round in 0..3 {
        let keys = 12 * round..12 * (round + 1);
        write(&agents[2], keys.clone());
        go(agents.pop().unwrap(), &agents);
        agree(&agents);
        let held = agents[0].holds();
        let seen = keys.clone().filter(|n| held.contains_key(&format!("k/{n}")));
        let seen: Vec<u32> = seen.collect();
        seen.iter().for_each(|n| delete(&agents[0], *n..n + 1));
        agree(&agents);
        collect(&agents);
        agents.push(start(folder, "n2", &["--join", &seed]));
        all_alive(&agents);
        all_covered(&agents);
        agree(&agents);
        pass(&agents[0], 3);
        seen.iter().for_each(|n| none_holds(&agents, *n..n + 1));
    }
}

#[test]
fn what_a_leaver_has_just_written_is_deleted_for_good() {
    goes_right_after_writing(|leaver, others| {
        leaver.run(&["leave"]).good();
        until("the others hold the member gone", || {
            others.iter().all(|other| other.members("alive") == 2).then_some(())
        });
    });
}

#[test]
fn what_one_that_was_killed_had_just_written_is_deleted_for_good() {
    goes_right_after_writing(|victim, others| {
        kill(victim);
        all_see(others, "dead", 1);
        others[1].run(&["forget", "n2"]).good();
        all_see(others, "dead", 0);
    });
}

#[test]
fn joiners_make_no_majority_before_the_first_pass() {
    let child = "chain::joiners_make_no_majority_before_the_first_pass_child";
    run_child(child, &Network::NAMESPACES, Network::SETUP);
}

/// Of three one is cut off, and lets two more in.
#[test]
fn joiners_make_no_majority_before_the_first_pass_child() {
    let Some(folder) = folder() else { return };
    let network = Network::new(5);
    let settings = [&QUICK[..], &BY_HAND].concat();
    let begin = |host: usize| {
        let join: &[usize] = if host == 0 { &[] } else { &[0] };
        Network::start(host, join, &folder, &settings)
    };
    let mut first: Vec<Agent> = [0, 1, 3].map(begin).into();
    all_alive(&first);
    write(&first[0], 0..20);
    write(&first[1], 20..40);
    agree(&first);
    network.cut(true);
    let mut all = vec![first.remove(0), begin(2), begin(4)];
    all.extend(first);
    forget(&all[0], &["h1", "h3"]);
    forget(&all[3], &["h0"]);
    delete(&all[0], 0..10);
    delete(&all[3], 10..20);
    agree(&all[..3]);
    agree(&all[3..]);
    both_make_passes([&all[0], &all[3]], false);
    all[0].run(&["set", "even", "x"]).good();
    all[3].run(&["set", "odd", "x"]).good();
    network.cut(false);
    all_alive(&all);
    agree(&all);
    collect(&all);
    none_holds(&all, 0..20);
    holds(&all, 22);
}

#[test]
fn the_only_copy_is_kept_after_a_power_cut_at_its_writer() {
    let child = "chain::the_only_copy_is_kept_after_a_power_cut_at_its_writer_child";
    run_child(child, &Network::NAMESPACES, Network::SETUP);
}

/// Host 0 writes, and only host 2 hears it. A process that is killed loses nothing: the power cut
/// is a copy of its store from just before the writes, which is put back in place of it.
#[test]
fn the_only_copy_is_kept_after_a_power_cut_at_its_writer_child() {
    let Some(folder) = folder() else { return };
    let network = Network::new(3);
    let settings = [&QUICK[..], &BY_HAND].concat();
    let begin = |host: usize| {
        let join: &[usize] = if host == 0 { &[1] } else { &[0] };
        Network::start(host, join, &folder, &settings)
    };
    let mut agents: Vec<Agent> = (0..3).map(begin).collect();
    all_alive(&agents);
    agents[1].run(&["set", "before", "x"]).good();
    agree(&agents);
    pass(&agents[0], 3);
    all_covered(&agents);

    network.cut(true);
    let shell = |line: &str| {
        let done = Command::new("sh").args(["-c", line]).current_dir(folder.join("h0")).status();
        assert!(done.unwrap().success(), "{line}");
    };
    shell("cp -a store ../before");
    write(&agents[0], 0..10);
    until("the receiver holds it", || (agents[2].holds().len() == 11).then_some(()));
    network.isolate(2, true);
    let receiver = agents.pop().unwrap();
    kill(agents.remove(0));
    shell("rm -r store && mv ../before store");
    // Nobody is there to hand anything over to.
    let left = receiver.run(&["leave", "--now"]);
    assert_eq!(left.code, 0, "{}", left.stderr);
    drop(receiver);
    network.cut(false);
    agents.insert(0, begin(0));
    all_alive(&agents);
    all_see(&agents, "dead", 1);
    agents[0].run(&["forget", "h2"]).good();
    all_see(&agents, "dead", 0);
    assert_eq!(agents[0].holds().len(), 1, "the power cut took it");
    pass(&agents[1], 2);

    network.isolate(2, false);
    agents.push(begin(2));
    all_alive(&agents);
    all_covered(&agents);
    agree(&agents);
    pass(&agents[1], 3);
    let aside = agents[2].run(&["strays", "list", "--format", "json"]).good().text();
    for key in (0..10).map(|n| format!("k/{n}")) {
        let held = agents.iter().all(|agent| agent.holds().contains_key(&key));
        assert!(held || aside.contains(&key), "{key} is lost: {aside}");
    }
}
