//! The cases: the five ways in which the rule without a chain breaks, and others that were looked for
//! against the chain.

use super::case::{Case, Kind};
use super::rules::Rules;
use super::state::Broken;
use super::step::Step;

/// Five members that a pass has covered; two leave, the others are cut in two.
pub fn leaving(rules: Rules) -> Case {
    let case = Case::of("leaving splits the majority", rules, 0b11111);
    let case = case.after(&[Step::Write(0), Step::Send(0, 1), Step::Send(0, 2)]).after_a_pass();
    let budget = [(Kind::Leave, 2), (Kind::Split, 1), (Kind::Start, 2), (Kind::Pass, 2)];
    let mut case = case.with(&budget);
    (case.leavers, case.starters, case.splits) = (0b11000, 0b11000, vec![0b00011]);
    case
}

/// The same, with a key that is deleted on one side.
pub fn leaving_with_a_key(rules: Rules) -> Case {
    let mut case = leaving(rules).after(&[Step::Leave(3, 3), Step::Leave(4, 4), Step::Split(3)]);
    case.writers = 1;
    case.asks(Broken::Resurrected).with(&[(Kind::Delete, 1), (Kind::Start, 2), (Kind::Pass, 2)])
}

/// A member leaves, what it holds is deleted, the fleet is replaced, and it returns.
pub fn turnover(rules: Rules) -> Case {
    let case = Case::of("turnover", rules, 0b1001);
    let mut case = case.after(&[Step::Write(3), Step::Send(3, 0)]).after_a_pass();
    (case.leavers, case.starters, case.writers) = (0b1001, 0b1010, 0b0011);
    case.seeds = 0b1001;
    case.asks(Broken::Resurrected).with(&[
        (Kind::Leave, 2),
        (Kind::Delete, 1),
        (Kind::Start, 2),
        (Kind::Pass, 3),
    ])
}

/// A member leaves just after others have taken what it wrote.
pub fn leaving_in_haste(rules: Rules) -> Case {
    let mut case = Case::of("leaving in haste", rules, 0b111).after_a_pass();
    (case.confirms, case.leavers, case.starters) = (true, 1, 1);
    let case = case.after(&[Step::Write(0), Step::Send(0, 1), Step::Send(0, 2)]);
    let case = case.after(&[Step::Compare(0, 1), Step::Compare(0, 2)]);
    case.with(&[(Kind::Leave, 1), (Kind::Delete, 1), (Kind::Start, 1), (Kind::Pass, 2)])
}

/// Before the first pass a minority is joined by others.
pub fn founding(rules: Rules) -> Case {
    let mut case = Case::of("before the first pass", rules, 0b111);
    (case.starters, case.splits, case.seeds) = (0b11000, vec![0b00110], 0b1);
    case.with(&[(Kind::Start, 2), (Kind::Split, 1), (Kind::Pass, 2)])
}

/// A power cut at the writer, and the only receiver leaves.
pub fn power_cut(rules: Rules) -> Case {
    let mut case = Case::of("power cut", rules, 0b111).after_a_pass();
    (case.everysec, case.writers, case.mortals) = (true, 0b1, 0b1);
    (case.leavers, case.starters) = (0b10, 0b11);
    let budget = [(Kind::Write, 1), (Kind::PowerCut, 1), (Kind::Leave, 1)];
    case.asks(Broken::Lost).with(&budget).with(&[(Kind::Start, 2), (Kind::Pass, 1)])
}

/// Passes step by step: one may be complete, and nobody who is here knows it.
pub fn unheard(rules: Rules) -> Case {
    let mut case = Case::of("unheard", rules, 0b111).after_a_pass();
    (case.whole, case.mortals, case.starters) = (false, 0b111, 0b111);
    case.splits = vec![0b001, 0b010, 0b100];
    case.with(&[(Kind::Split, 1), (Kind::Crash, 1), (Kind::Start, 1), (Kind::Pass, 2)])
}

/// More passes, between partitions.
pub fn partitions(rules: Rules) -> Case {
    let mut case = Case::of("partitions", rules, 0b111).after_a_pass();
    (case.whole, case.splits) = (false, vec![0b001, 0b010, 0b100]);
    case.with(&[(Kind::Split, 2), (Kind::Pass, 3)])
}

/// Passes step by step among two, with a key.
pub fn crashing_in_a_pass(rules: Rules) -> Case {
    let mut case = Case::of("crashing in a pass", rules, 0b11).after_a_pass();
    (case.whole, case.mortals, case.starters) = (false, 0b01, 0b01);
    case.splits = vec![0b01];
    case.with(&[(Kind::Split, 1), (Kind::Crash, 1), (Kind::Start, 1), (Kind::Pass, 2)])
        .with(&[(Kind::Write, 1), (Kind::Delete, 1)])
}

/// The same among three, who may be cut off or crash, but not both.
pub fn passes_with_a_key(rules: Rules, kind: Kind) -> Case {
    let mut case = Case::of("passes with a key", rules, 0b111).after_a_pass();
    (case.whole, case.mortals, case.starters) = (false, 0b001, 0b001);
    (case.splits, case.writers) = (vec![0b001, 0b100], 0b011);
    case.with(&[(kind, 1), (Kind::Start, 1), (Kind::Pass, 2)])
        .with(&[(Kind::Write, 1), (Kind::Delete, 1)])
}

/// Who writes leaves and returns, and another joins.
pub fn coming_and_going(rules: Rules) -> Case {
    let mut case = Case::of("coming and going", rules, 0b111).after_a_pass();
    (case.leavers, case.starters, case.seeds) = (0b001, 0b1001, 0b111);
    case.writers = 0b011;
    let case = case.with(&[(Kind::Leave, 1), (Kind::Start, 2)]);
    case.with(&[(Kind::Pass, 2), (Kind::Write, 1), (Kind::Delete, 1)])
}

/// A member crashes, is forgotten, and returns after passes without it.
pub fn crashing(rules: Rules) -> Case {
    let mut case = Case::of("crashing", rules, 0b111).after_a_pass();
    (case.mortals, case.starters, case.writers) = (0b011, 0b011, 0b011);
    case.splits = vec![0b001, 0b100];
    let case = case.with(&[(Kind::Split, 1), (Kind::Crash, 1), (Kind::Start, 1)]);
    case.with(&[(Kind::Pass, 2), (Kind::Write, 1), (Kind::Delete, 1)])
}

/// Four members, two of which leave and hand over, or do not; passes step by step.
pub fn four(rules: Rules) -> Case {
    let mut case = Case::of("four", rules, 0b1111).after_a_pass();
    (case.leavers, case.starters, case.whole) = (0b1100, 0b0100, false);
    case.splits = vec![0b0001];
    let case = case.with(&[(Kind::Split, 1), (Kind::Leave, 2), (Kind::Start, 1)]);
    case.with(&[(Kind::Pass, 2)])
}

/// A member is cut off for long, and written at.
pub fn isolated(rules: Rules) -> Case {
    let mut case = Case::of("isolated", rules, 0b111).after_a_pass();
    (case.splits, case.writers) = (vec![0b001], 0b011);
    let case = case.with(&[(Kind::Split, 1), (Kind::Pass, 2), (Kind::Write, 2)]);
    case.with(&[(Kind::Delete, 1)])
}

/// An operator forces a pass.
pub fn forced(rules: Rules) -> Case {
    let mut case = Case::of("forced", rules, 0b111).after_a_pass();
    (case.splits, case.writers) = (vec![0b001], 0b011);
    let case = case.with(&[(Kind::Split, 1), (Kind::Force, 1), (Kind::Pass, 2)]);
    case.with(&[(Kind::Write, 1), (Kind::Delete, 1)])
}

/// An old copy of a whole machine takes its place.
pub fn set_back(rules: Rules) -> Case {
    let mut case = Case::of("set back", rules, 0b111).after_a_pass();
    (case.splits, case.mortals, case.starters) = (vec![0b001, 0b100], 0b010, 0b010);
    case = case.after(&[Step::Backup(1)]).with(&[(Kind::Split, 2), (Kind::Pass, 2)]);
    case.with(&[(Kind::Restore, 1), (Kind::Crash, 1), (Kind::Start, 1)])
}

/// The same, to when it had accepted a pass of which it did not know the end.
pub fn set_back_into_a_pass(rules: Rules) -> Case {
    let case = set_back(rules);
    let budget = case.start.budget;
    let mut case = Case { whole: false, splits: vec![0b010, 0b100], ..case };
    (case.mortals, case.starters) = (0b001, 0b001);
    case = case.after(&[Step::Begin(0), Step::Accept(2), Step::Backup(0), Step::Accept(2)]);
    (case.start.budget, case.whole) = (budget, true);
    case
}

/// The same, from before the pass that covers all; it is brought back to that one.
pub fn set_back_further(rules: Rules) -> Case {
    let case = set_back(rules);
    let budget = case.start.budget;
    let mut case = case.after(&[Step::Begin(0)]);
    case.start.budget = budget;
    case
}
