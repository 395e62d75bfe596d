//! Passes form one chain: a model of members, passes and one key, of which all states within some
//! bounds are looked at. The rule of the chain holds in all of them, the rule without it breaks in
//! five ways, and so does the chain without any of its parts. docs/chain.md has the argument, and
//! what the model leaves out.

#[path = "chain/case.rs"]
pub mod case;
#[path = "chain/cases.rs"]
pub mod cases;
#[path = "chain/explore.rs"]
pub mod explore;
#[path = "chain/round.rs"]
pub mod round;
#[path = "chain/rules.rs"]
pub mod rules;
#[path = "chain/settle.rs"]
pub mod settle;
#[path = "chain/state.rs"]
pub mod state;
#[path = "chain/step.rs"]
pub mod step;

use case::{Case, Kind};
use explore::explore;
use rules::{CHAIN, Rules, TODAY};
use state::Broken;
use step::Step;

/// More states than any of the cases here has.
const MOST: usize = 1_500_000;

/// The explorer finds this, and no shorter way than this to it.
fn breaks(case: &Case, broken: Broken, steps: usize) {
    let found = explore(case, MOST);
    let Some((what, way)) = found.broken else { panic!("{}: nothing breaks", case.name) };
    println!("{}: {what:?} after {} states: {way:?}", case.name, found.states);
    assert_eq!((what, way.len()), (broken, steps), "{}", case.name);
}

/// There is nothing to be found.
fn holds(case: Case) {
    let case = case.asks_all();
    let found = explore(&case, MOST);
    println!("{}: {} states, up to {} steps", case.name, found.states, found.depth);
    assert_eq!(found.broken, None, "{}", case.name);
    assert!(found.all, "{}: more than {} states", case.name, found.states);
}

#[test]
fn without_the_chain_leaving_splits_the_majority() {
    breaks(&cases::leaving(TODAY), Broken::Forked, 10);
    breaks(&cases::leaving_with_a_key(TODAY), Broken::Resurrected, 8);
}

#[test]
fn without_the_chain_a_fleet_that_is_replaced_forgets() {
    breaks(&cases::turnover(TODAY), Broken::Resurrected, 6);
}

#[test]
fn without_the_chain_leaving_in_haste_brings_back() {
    breaks(&cases::leaving_in_haste(TODAY), Broken::Resurrected, 3);
}

#[test]
fn without_the_chain_the_first_pass_may_be_made_twice() {
    breaks(&cases::founding(TODAY), Broken::Forked, 8);
}

#[test]
fn without_the_chain_a_power_cut_and_a_goodbye_lose_a_write() {
    breaks(&cases::power_cut(TODAY), Broken::Lost, 6);
}

#[test]
fn whoever_leaves_or_joins_there_is_one_chain() {
    holds(cases::leaving(CHAIN));
    holds(cases::leaving_with_a_key(CHAIN));
    holds(cases::founding(CHAIN));
}

#[test]
fn whoever_returns_brings_nothing_back_and_loses_nothing() {
    holds(cases::turnover(CHAIN));
    holds(cases::leaving_in_haste(CHAIN));
    holds(cases::power_cut(CHAIN));
    holds(cases::coming_and_going(CHAIN));
    holds(cases::isolated(CHAIN));
}

#[test]
fn wherever_a_pass_stops_there_is_one_chain() {
    holds(cases::unheard(CHAIN));
    holds(cases::partitions(CHAIN));
    holds(cases::crashing_in_a_pass(CHAIN));
    holds(cases::passes_with_a_key(CHAIN, Kind::Split));
    holds(cases::passes_with_a_key(CHAIN, Kind::Crash));
    holds(cases::four(CHAIN));
}

#[test]
fn whoever_crashes_or_is_set_back_there_is_one_chain() {
    holds(cases::crashing(CHAIN));
    holds(cases::set_back(CHAIN));
    holds(cases::set_back_into_a_pass(CHAIN));
    holds(cases::set_back_further(CHAIN));
}

#[test]
fn what_an_operator_forces_loses_no_write() {
    holds(cases::forced(CHAIN));
}

#[test]
fn every_part_of_the_rule_is_needed() {
    let majority = Rules { majority: false, ..CHAIN };
    breaks(&cases::leaving(majority), Broken::Forked, 10);
    // Who lends itself to another attempt must say which one it had lent itself to before.
    let open = Rules { open: false, ..CHAIN };
    breaks(&cases::unheard(open), Broken::Forked, 4);
    let founding = Rules { founding: false, ..CHAIN };
    breaks(&cases::founding(founding), Broken::Forked, 6);
    let strays = Rules { strays: false, ..CHAIN };
    breaks(&cases::isolated(strays), Broken::Resurrected, 6);
    // Of a short outage: who was down for long is in doubt as well.
    let short = Rules { doubt: false, ..CHAIN };
    holds(cases::power_cut(short));
    let gaps = Rules { gaps: false, ..short };
    breaks(&cases::power_cut(gaps), Broken::Lost, 6);
    // What is written anew under a fresh stamp wins over what is newer.
    let order = Rules { order: false, ..CHAIN };
    breaks(&cases::isolated(order), Broken::Lost, 8);
    let doubt = Rules { doubt: false, ..CHAIN };
    breaks(&cases::set_back(doubt), Broken::Forked, 10);
    let since_start = Rules { since_start: false, ..CHAIN };
    breaks(&cases::set_back_into_a_pass(since_start), Broken::Forked, 11);
}

/// Two members, of which one leaves.
fn of_two(to: u8) -> Case {
    Case::of("two", CHAIN, 0b11).after_a_pass().after(&[Step::Leave(1, to)])
}

#[test]
fn one_of_two_goes_on_by_itself_if_the_other_has_given_it_its_vote() {
    let passes = [(Kind::Pass, 1)];
    let gave = of_two(0).with(&passes);
    assert!(gave.start.after(Step::Begin(0), &gave).is_some());
    let alone = of_two(1).with(&passes);
    assert!(alone.start.after(Step::Begin(0), &alone).is_none());
    let forced = of_two(1).after(&[Step::Force(0, 1)]).with(&passes);
    let next = forced.start.after(Step::Begin(0), &forced).unwrap();
    assert_ne!(next.pass(2).forced, 0, "it says so");
}

/// A member leaves, what it wrote is deleted, the fleet is replaced, and it returns.
fn returned(rules: Rules) -> state::Node {
    let case = Case::of("returned", rules, 0b1001);
    let case = case.after(&[Step::Write(3), Step::Send(3, 0)]).after_a_pass();
    let case = case.after(&[Step::Leave(3, 0), Step::Delete(0), Step::Begin(0)]);
    let case = case.after(&[Step::Start(1), Step::Hear(0), Step::BringBack(1, 0)]);
    let case = case.after(&[Step::Begin(0), Step::Leave(0, 1), Step::Begin(1)]);
    let case = case.after(&[Step::Start(3), Step::Hear(1), Step::BringBack(3, 1)]);
    case.start.nodes[3]
}

#[test]
fn what_was_covered_is_dropped_without_a_word_however_often_the_fleet_was_replaced() {
    let node = returned(CHAIN);
    assert_eq!((node.held, node.strays), (0, 0));
    let node = returned(Rules { placed: false, inherit: false, ..CHAIN });
    assert_ne!(node.strays, 0, "it would wait for the operator");
}

#[test]
fn what_was_written_in_isolation_is_written_anew_and_what_was_seen_waits() {
    let case = Case::of("alone", CHAIN, 0b111).after_a_pass();
    let case = Case { splits: vec![0b001], ..case };
    let back = [Step::Heal, Step::Hear(0), Step::BringBack(0, 1)];
    let alone = case.clone().after(&[Step::Split(1), Step::Write(0), Step::Forget(1, 0)]);
    let world = alone.after(&[Step::Begin(1)]).after(&back).start;
    assert!(world.write(world.nodes[0].held).anew);
    // Another has it, and may have deleted it where a pass has covered that.
    let seen = case.after(&[Step::Write(0), Step::Send(0, 1), Step::Crash(0), Step::Delete(1)]);
    let seen = seen.after(&[Step::Forget(1, 0), Step::Begin(1), Step::Start(0)]);
    let world = seen.after(&[Step::Hear(0), Step::BringBack(0, 1)]).start;
    assert_eq!(world.nodes[0].held, 0);
    assert_ne!(world.nodes[0].strays, 0);
}
