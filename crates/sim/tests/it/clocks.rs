//! Wall clocks that are off: by seconds, by half a minute, by more than is admitted.

use crate::{ms, secs};
use rumormill_core::base::planted::{Fault, plant};
use rumormill_core::data::{Digest, Range, Refused, Space};
use rumormill_core::{Instant, NodeId, Now};
use rumormill_sim::checkers::Violation;
use rumormill_sim::checks::Checks;
use rumormill_sim::clock::EPOCH_MS;
use rumormill_sim::{Options, World, WriteError};
use std::ops::ControlFlow;

fn world(seed: u64, off_ms: &[i64]) -> World {
    let mut world = World::new(Options { seed, nodes: off_ms.len(), ..Options::default() });
    for (node, ms) in off_ms.iter().enumerate() {
        world.jump_clock(node, *ms);
    }
    world.run_for(secs(1)).unwrap();
    world
}

/// The digest of what a node holds but for the writes of another.
fn digest_without(world: &World, node: usize, other: NodeId) -> Digest {
    let data = world.node(node).unwrap().data();
    let mut digest = Digest::default();
    data.walk(Range::ALL, &mut |_, entry| {
        if entry.stamp().node != other {
            digest.add(data.item_hash(entry));
        }
        ControlFlow::Continue(())
    });
    digest
}

#[test]
fn clocks_that_are_off_by_seconds_change_nothing_but_who_wins() {
    let mut world = world(31, &[0, 5_000, -5_000, 14_000, -14_000, 0]);
    for number in 0..300 {
        world.write(number % 6, format!("key-{}", number % 40), format!("{number}")).unwrap();
        world.run_for(ms(10)).unwrap();
        if number == 150 {
            world.set_loss(0.3);
        }
    }
    world.set_loss(0.0);
    world.settle(secs(10)).unwrap();
    assert_eq!(world.total(|stats| stats.refused_skew), 0);
    // Whoever has seen a write overwrites it, however far behind its own clock is.
    world.write(4, "key-0", "last").unwrap();
    world.settle(secs(10)).unwrap();
    assert!((0..6).all(|node| world.read(node, "key-0") == Some(b"last")));
}

#[test]
fn what_is_lost_is_repaired_at_once_although_stamps_are_half_a_minute_ahead() {
    let mut world = world(32, &[0, 0, 0, 30_000, 0]);
    world.write(3, "from the fast one", "x").unwrap();
    world.run_until(|world| world.digests().len() == 1, secs(2)).unwrap();
    // Everyone stamps ahead of its own clock from now on.
    world.partition(&[4], &[0, 1, 2, 3]);
    let write = world.write(0, "k", "v").unwrap();
    assert!(world.ledger().get(write).entry.stamp().wall_ms() >= EPOCH_MS + 30_000);
    // Until the tree has given up; and the one whose clock would see it at once is gone.
    world.run_for(secs(1)).unwrap();
    world.crash(3);
    world.heal();
    world.run_until(|world| world.read(4, "k").is_some(), secs(3)).unwrap();
}

#[test]
fn a_clock_ten_minutes_ahead_is_refused_and_drags_nobody_along() {
    let fast = 2;
    let mut world = World::new(Options { seed: 33, nodes: 5, ..Options::default() });
    for (node, off) in [0, -5_000, 600_000, 30_000, 0].into_iter().enumerate() {
        world.jump_clock(node, off);
    }
    let mut refused = 0;
    for number in 0..200 {
        // The fast one writes keys of its own and keys of the others, until it knows that it is off.
        let node = number % 5;
        for key in [format!("key-{}", number % 50), format!("own-{node}-{number}")] {
            match world.write(node, key, format!("{number}")) {
                Ok(_) => {}
                Err(WriteError::Refused(Refused::Clock { own_ms, cluster_ms })) if node == fast => {
                    assert!(own_ms.abs_diff(cluster_ms + 600_000) < 40_000);
                    refused += 1;
                }
                Err(error) => panic!("n{node}: {error:?}"),
            }
        }
        world.run_for(ms(10)).unwrap();
    }
    assert!((1..80).contains(&refused), "{refused} writes of the fast one are refused");
    let honest = [0, 1, 3, 4];
    let digest = |world: &World, node: usize| world.node(node).unwrap().digest(Space::Data);
    let agree =
        |world: &World| honest.iter().all(|&node| digest(world, node) == digest(world, honest[0]));
    world.run_until(agree, secs(10)).unwrap();
    let bad = world.id(fast);
    for node in honest {
        let machine = world.node(node).unwrap();
        assert!(machine.stats().refused_skew > 0, "n{node} has refused and counted");
        assert_eq!(digest_without(&world, node, bad), digest(&world, node), "n{node}");
    }
    // Nobody's clock was moved: new stamps are ahead by what is honest and no more.
    let write = world.write(0, "after", "v").unwrap();
    let stamp = world.ledger().get(write).entry.stamp().wall_ms();
    let now = EPOCH_MS + world.now().as_millis() as u64;
    assert!(stamp <= now + 30_000, "{stamp}, but it is {now}");
    // The fast one hears the others all the same.
    world.run_until(|world| world.delivery(write).is_complete(), secs(5)).unwrap();
}

#[test]
fn a_clock_that_was_ten_minutes_ahead_and_is_put_right_is_heard_in_the_end() {
    let mut world = World::new(Options { seed: 34, nodes: 3, ..Options::default() });
    world.jump_clock(2, 600_000);
    world.write(2, "early", "v").unwrap();
    world.run_for(secs(2)).unwrap();
    assert_eq!(world.read(0, "early"), None);
    world.jump_clock(2, -600_000);
    // Nine minutes later the stamp is within what is admitted.
    world.run_for(secs(560)).unwrap();
    world.settle(secs(10)).unwrap();
    assert_eq!(world.read(0, "early"), Some(&b"v"[..]));
}

#[test]
fn one_liar_drags_no_clock_along_and_no_honest_write_is_refused_for_it() {
    // Everyone else is right to within a second, or a little behind.
    let mut world = world(35, &[59_000, 0, -900, 400, -300]);
    for number in 0..200 {
        let node = number % 5;
        // Some keys are everyone's: the liar's last word on them stands until its time has come.
        let key = if number % 3 == 0 { "all".to_owned() } else { format!("own-{node}-{number}") };
        match world.write(node, key, "v") {
            Ok(_) => {}
            Err(WriteError::Refused(Refused::Ahead { .. })) if node > 0 && number % 3 == 0 => {}
            Err(error) => panic!("n{node}, {number}: {error:?}"),
        }
        world.run_for(ms(10)).unwrap();
    }
    world.settle(secs(10)).unwrap();
    assert_eq!(world.total(|stats| stats.refused_skew), 0);
    let write = world.write(3, "after", "v").unwrap();
    let stamp = world.ledger().get(write).entry.stamp().wall_ms();
    let now = EPOCH_MS + world.now().as_millis() as u64;
    assert!(stamp <= now + 2_000, "{stamp}, but it is {now}");
    let mono = Instant(world.now().as_micros() as u64);
    let told = world.node(1).unwrap().clocks(Now { mono, wall_ms: now });
    assert!(told.off.iter().any(|off| off.id == world.id(0) && off.ahead_ms > 58_000), "{told:?}");
}

#[test]
fn a_clock_that_is_steadily_off_does_not_decide_who_wins() {
    for off in [20_000, -20_000] {
        let mut world = world(36, &[0, 0, off, 0]);
        world.run_for(secs(30)).unwrap();
        world.partition(&[2], &[0, 1, 3]);
        let (first, then) = if off > 0 { (2, 0) } else { (0, 2) };
        world.write(first, "k", "first").unwrap();
        world.run_for(secs(1)).unwrap();
        let write = world.write(then, "k", "then").unwrap();
        let stamp = world.ledger().get(write).entry.stamp().wall_ms();
        let now = EPOCH_MS + world.now().as_millis() as u64;
        assert!(stamp.abs_diff(now) < 100, "{stamp}, but it is {now}");
        world.heal();
        world.settle(secs(30)).unwrap();
        assert_eq!(world.read(1, "k"), Some(&b"then"[..]), "off by {off}");
    }
}

/// A write that others have heard and a power cut has taken back; then the clock stands a second
/// before, and reads again what it read at that write. What comes of another one then.
fn stamped_again_after_a_power_cut() -> Result<(u64, u64), Violation> {
    let options = Options { seed: 37, nodes: 3, check: Checks::Off, ..Options::default() };
    let mut world = World::new(options);
    // With this one the disk hears how far stamps may go, and holds it.
    world.write(0, "early", "v").unwrap();
    world.run_for(secs(1)).unwrap();
    let at = world.now();
    let before = world.write(0, "k", "v").unwrap();
    world.run_for(ms(100)).unwrap();
    assert_eq!(world.read(1, "k"), Some(&b"v"[..]));
    // It comes back alone, or the others would tell it.
    world.partition(&[0], &[1, 2]);
    world.power_cut(0, ms(500));
    world.jump_clock(0, -1000);
    world.boot(0);
    assert_eq!(world.read(0, "k"), None);
    world.run_for(at + secs(1) - world.now()).unwrap();
    let after = world.write(0, "k", "another");
    world.heal();
    world.settle(secs(60))?;
    let stamp = |write| world.ledger().get(write).entry.stamp().time;
    Ok((stamp(before), stamp(after.unwrap())))
}

#[test]
fn no_stamp_is_given_twice_after_a_power_cut_wherever_the_clock_stands() {
    let (before, after) = stamped_again_after_a_power_cut().unwrap();
    assert!(after > before);
    plant(Some(Fault::Reserved));
    let again = stamped_again_after_a_power_cut();
    plant(None);
    assert_eq!(again.map_err(|found| found.property), Err("unique stamps"));
}
