//! What is understood as a script, what is refused with which words, and that a script says of
//! itself what it was read from.

use super::*;
use proptest::prelude::*;

fn script(text: &str) -> Script {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn scripts_are_read() {
    let read = script(
        "crash:3@10s; restart@20s; partition:40%@30s..45s; pause:2@50s..55s; slow:5@10s..20s; \
         slow:n1, n2,20ms@1s..2s; lose-disk:1@5s..6s; cut:n3@1s..2s; leave:1@9s; \
         loss:20%@1s..2s; duplicate:0.5@1s..2s; reorder:5%@1s..2s; clock:n4,-2s@3s; \
         pause:fra@1s..2s; narrow:n1,1252@1s..2s; cut-udp:n2@1s..2s; cut-tcp:1@1s..2s; \
         hang-disk:1@1s..2s; fail-disk:n1@1s..2s; squeeze:1,8192@1s..2s; strangers:50@1s..2s;",
    );
    let secs = Duration::from_secs;
    assert_eq!(read.steps.len(), 21);
    assert_eq!(
        read.steps[0],
        Step { action: Action::Crash, who: Who::Count(3), from: secs(10), to: None }
    );
    assert_eq!(read.steps[1].who, Who::All);
    assert_eq!(read.steps[2].who, Who::Percent(40.0));
    assert_eq!(read.steps[2].to, Some(secs(45)));
    assert_eq!(read.steps[4].action, Action::Slow(SLOW));
    assert_eq!(read.steps[5].action, Action::Slow(Duration::from_millis(20)));
    assert_eq!(read.steps[5].who, Who::Nodes(vec![1, 2]));
    assert_eq!(read.steps[10].action, Action::Duplicate(50.0));
    assert_eq!(read.steps[12].action, Action::Clock(-2000));
    assert_eq!(read.steps[13].who, Who::Zone("fra".into()));
    assert_eq!(read.steps[14].action, Action::Narrow(1252));
    assert_eq!((read.steps[15].action, read.steps[16].action), (Action::CutUdp, Action::CutTcp));
    assert_eq!(
        [17, 18, 19, 20].map(|at| read.steps[at].action),
        [Action::HangDisk, Action::FailDisk, Action::Squeeze(8192), Action::Strangers(50)]
    );
    assert_eq!(script("").steps, []);
}

#[test]
fn errors_teach() {
    for (text, says) in [
        ("crash:3", "does not say when"),
        ("crash:3@10", "it has no unit"),
        ("crash:3@ten", "does not begin with a number"),
        ("crash@10s", "to whom? Write crash:3"),
        ("crash:0@10s", "0 is nobody"),
        ("crash:n1,x@10s", "names no nodes"),
        ("crash:3@20s..10s", "it ends at 10s but begins at 20s"),
        ("explode:3@10s", "there is no fault \"explode\"; there are crash, restart"),
        ("partition:40%@30s", "when does it end?"),
        ("pause:2@5s", "when does it end?"),
        ("restart@5s..6s", "a restart has no end"),
        ("replace:n1@5s..6s", "replace has no end"),
        ("power-cut:n1,2s@5s", "the last second at most"),
        ("loss@1s..2s", "how much? Write loss:20%"),
        ("loss:200%@1s..2s", "between 0 and 1"),
        ("loss:lots@1s..2s", "write 40% or 0.4"),
        ("partition:140%@1s..2s", "between 0 and 1"),
        ("narrow:1@1s..2s", "how narrow? Write narrow:1,1252"),
        ("narrow:1,12@1s..2s", "576 to 65000 bytes"),
        ("clock:1@5s", "by how much? Write clock:1,+500ms"),
        ("clock:1,0s@5s", "at least one"),
        ("slow:1,fast@1s..2s", "is no time"),
        ("hang-disk:1@1s", "when does it end?"),
        ("squeeze:1@1s..2s", "how much room?"),
        ("strangers@1s..2s", "how many packets a second?"),
        ("strangers:0@1s..2s", "how many packets a second?"),
        ("crash:99999999999999999999@1s", "too many nodes"),
        ("crash:n99999999999999999999@1s", "too large"),
    ] {
        let error = text.parse::<Script>().unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert!(error.to_string().starts_with("fault \""), "{error}");
    }
    let error = "crash:1@1s; boom@2s".parse::<Script>().unwrap_err();
    assert_eq!(error.step, "boom@2s", "the step is named");
}

fn whos() -> impl Strategy<Value = Who> {
    prop_oneof![
        (1_usize..1000).prop_map(Who::Count),
        (1_u32..=100_000).prop_map(|mills| Who::Percent(f64::from(mills) / 1000.0)),
        proptest::collection::btree_set(0_usize..10_000, 1..5)
            .prop_map(|nodes| Who::Nodes(nodes.into_iter().collect())),
        "[a-m][a-z0-9_-]{0,8}".prop_map(Who::Zone),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let percent = || (0_u32..=100_000).prop_map(|mills| f64::from(mills) / 1000.0);
    let with_who = prop_oneof![
        Just(Action::Crash),
        Just(Action::Restart),
        Just(Action::LoseDisk),
        Just(Action::Leave),
        Just(Action::Depart),
        (0_u64..=1_000_000).prop_map(|us| Action::PowerCut(Duration::from_micros(us))),
        Just(Action::Replace),
        Just(Action::Copy),
        Just(Action::Restore),
        Just(Action::RestoreAsNew),
        Just(Action::Forget),
        Just(Action::ForceForget),
        Just(Action::Pass),
        Just(Action::Pause),
        (0_u64..10_000_000).prop_map(|us| Action::Slow(Duration::from_micros(us))),
        Just(Action::Partition),
        (576_usize..=65_000).prop_map(Action::Narrow),
        Just(Action::CutUdp),
        Just(Action::CutTcp),
        Just(Action::Cut),
        Just(Action::HangDisk),
        Just(Action::FailDisk),
        (1_usize..100_000).prop_map(Action::Squeeze),
        prop_oneof![-100_000_i64..0, 1_i64..100_000].prop_map(Action::Clock),
    ];
    let for_all = prop_oneof![
        Just(Action::Restart),
        percent().prop_map(Action::Loss),
        percent().prop_map(Action::Duplicate),
        percent().prop_map(Action::Reorder),
        (1_u32..=100_000).prop_map(Action::Strangers),
    ];
    let both = prop_oneof![(with_who, whos()), (for_all, Just(Who::All))];
    (both, 0_u64..1_000_000_000, 1_u64..1_000_000_000, any::<bool>()).prop_map(
        |((action, who), from, length, ends)| {
            let ends = match action {
                Action::Restart => false,
                action if action.is_moment() => false,
                action if action.stops() => ends,
                Action::Clock(_) => ends,
                _ => true,
            };
            let to = ends.then(|| Duration::from_micros(from + length));
            Step { action, who, from: Duration::from_micros(from), to }
        },
    )
}

proptest! {
    #[test]
    fn a_script_is_read_back_from_what_it_says(steps in proptest::collection::vec(steps(), 0..8)) {
        let script = Script { steps };
        prop_assert_eq!(script.to_string().parse::<Script>(), Ok(script));
    }

    #[test]
    fn no_text_ends_the_program(text in "[a-z0-9:@.;,%+ n-]{0,40}") {
        if let Ok(script) = text.parse::<Script>() {
            prop_assert_eq!(script.to_string().parse::<Script>(), Ok(script));
        }
    }
}
