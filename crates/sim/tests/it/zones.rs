//! Zones: what crosses the borders between them, and that nothing stays behind one.

use crate::{ms, secs};
use rumormill_core::member::Tags;
use rumormill_core::output::Class;
use rumormill_sim::{Delivery, Options, World, Zones};
use std::time::Duration;

/// Zones of so many nodes, 0.5 ms inside and 40 ms between.
fn options(seed: u64, counts: &[usize]) -> Options {
    let mut text = "between = '40ms..41ms'\n".to_owned();
    for (zone, count) in counts.iter().enumerate() {
        text += &format!("[[zone]]\nname='z-{zone}'\nnodes={count}\ninside='0.5ms'\n");
    }
    let nodes = counts.iter().sum();
    let zones = Zones::parse(&text).unwrap().place(nodes).unwrap();
    Options { seed, nodes, zones: Some(zones), ..Options::default() }
}

/// Writes at nodes everywhere, one after the other.
fn write_some(world: &mut World, updates: usize, limit: Duration) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for update in 0..updates {
        let write = world.write(update * 13 % world.nodes(), format!("key-{update}"), [7; 64]);
        let write = write.unwrap();
        world.run_until(|world| world.delivery(write).is_complete(), limit).unwrap();
        deliveries.push(world.delivery(write));
    }
    deliveries
}

fn crossings(world: &World) -> u64 {
    world.total(|stats| stats.tree_crossings)
}

fn copies(world: &World) -> u64 {
    world.total(|stats| stats.update_copies + stats.tree_redelegated)
}

/// Updates in a settled cluster: each node gets one copy, each zone is entered once.
fn crosses_each_border_once(options: Options, zones: u64) -> Vec<Delivery> {
    let mut world = World::new(options);
    // Round trips to all zones are known by then.
    world.run_for(secs(30)).unwrap();
    let (before, copied) = (crossings(&world), copies(&world));
    let deliveries = write_some(&mut world, 10, secs(5));
    assert_eq!(crossings(&world) - before, 10 * (zones - 1));
    assert_eq!(copies(&world) - copied, 10 * (world.nodes() as u64 - 1));
    assert_eq!(world.total(|stats| stats.entries_stale), 0, "nobody is sent it twice");
    println!("{}", deliveries[0]);
    deliveries
}

#[test]
fn an_update_crosses_each_border_once() {
    let deliveries = crosses_each_border_once(options(1, &[20; 3]), 3);
    // One hop between zones, and a few inside.
    assert!(deliveries.iter().all(|delivery| delivery.max < ms(45)), "{deliveries:?}");
}

#[test]
fn uneven_zones_are_entered_once_as_well() {
    crosses_each_border_once(options(2, &[1, 5, 50]), 3);
}

#[test]
fn more_zones_than_the_fan_out_are_entered_once_each() {
    // Runs of zones are handed on from zone to zone.
    let deliveries = crosses_each_border_once(options(3, &[3; 20]), 20);
    assert!(deliveries.iter().all(|delivery| delivery.max < ms(130)), "{deliveries:?}");
    let mut chain = options(4, &[3; 5]);
    chain.config.spread.tree.fanout = 1;
    crosses_each_border_once(chain, 5);
}

#[test]
fn without_tags_most_copies_cross_a_border() {
    let sent = |tags| {
        let mut options = options(5, &[20; 3]);
        options.zone_tags = tags;
        let mut world = World::new(options);
        world.run_for(secs(30)).unwrap();
        let before = world.total_traffic().across(Class::Updates);
        let deliveries = write_some(&mut world, 20, secs(5));
        let after = world.total_traffic().across(Class::Updates);
        println!("tags {tags}: {:?} of 20 updates; {}", after.bytes - before.bytes, deliveries[7]);
        (after.messages - before.messages, after.bytes - before.bytes)
    };
    let (with, without) = (sent(true), sent(false));
    // 2 of 40 copies, and their answers.
    assert!(with.0 <= 20 * 2 * 2 && without.0 >= 20 * 35, "{with:?} {without:?}");
    assert!(with.1 * 15 < without.1, "{with:?} {without:?}");
}

/// What nodes count by the tags is what the network counts by where they stand.
#[test]
fn what_crosses_is_counted_by_class() {
    let mut world = World::new(options(6, &[4, 9]));
    world.run_for(secs(2)).unwrap();
    write_some(&mut world, 5, secs(5));
    let across = world.total_traffic();
    let across = Class::ALL.map(|class| across.across(class));
    assert!(across.iter().all(|count| count.messages > 0), "{across:?}");
    let [membership, updates, repair] = across.map(|count| count.bytes);
    assert_eq!(world.total(|stats| stats.sent_cross_zone_membership_bytes), membership);
    assert_eq!(world.total(|stats| stats.sent_cross_zone_update_bytes), updates);
    assert_eq!(world.total(|stats| stats.sent_cross_zone_repair_bytes), repair);
    assert!(world.total(|stats| stats.sent_cross_zone_update_messages) >= 5);
}

#[test]
fn with_loss_everyone_hears_of_it() {
    for (seed, counts) in [(10, &[20, 20, 20][..]), (11, &[1, 5, 50]), (12, &[2; 20])] {
        let mut world = World::new(options(seed, counts));
        world.run_for(secs(10)).unwrap();
        world.set_loss(0.05);
        let deliveries = write_some(&mut world, 20, secs(10));
        let worst = deliveries.iter().map(|delivery| delivery.max).max().unwrap();
        println!("{counts:?}: worst {worst:?}");
        assert!(worst < secs(4), "{counts:?}: {worst:?}");
        world.set_loss(0.0);
        world.settle(secs(20)).unwrap();
    }
}

/// A loss on a border that nothing makes up for but repair.
#[test]
fn repair_crosses_often_enough() {
    for (seed, counts) in [(20, &[20, 20, 20][..]), (21, &[1, 5, 50]), (22, &[2, 2])] {
        let mut options = options(seed, counts);
        options.config.spread.tree.acknowledge = rumormill_core::spread::tree::Acknowledge::None;
        let mut world = World::new(options);
        world.run_for(secs(10)).unwrap();
        let last: Vec<usize> = (world.nodes() - counts[counts.len() - 1]..world.nodes()).collect();
        let others: Vec<usize> = (0..last[0]).collect();
        for round in 0..10 {
            world.cut(&others, &last);
            let write = world.write(0, format!("lost-{round}"), "x").unwrap();
            world.run_for(ms(200)).unwrap();
            world.heal();
            let took = world.run_until(|world| world.delivery(write).is_complete(), secs(10));
            println!("{counts:?}: {:?}", took.unwrap());
            world.run_for(secs(10)).unwrap();
        }
    }
}

#[test]
fn a_zone_that_was_cut_off_converges() {
    let mut world = World::new(options(30, &[10; 3]));
    world.run_for(secs(2)).unwrap();
    let (one, others): (Vec<usize>, Vec<usize>) = (0..30).partition(|node| *node < 10);
    world.partition(&one, &others);
    for node in 0..30 {
        world.write(node, format!("by-{node}"), "x").unwrap();
        world.run_for(ms(100)).unwrap();
    }
    world.run_for(secs(120)).unwrap();
    assert_eq!(world.alive_at(0), 10);
    world.heal();
    world.settle(secs(15)).unwrap();
    assert_eq!(world.read(3, "by-29"), Some(&b"x"[..]));
    assert_eq!(world.read(29, "by-3"), Some(&b"x"[..]));
}

#[test]
fn nodes_that_move_to_other_zones_miss_nothing() {
    let mut world = World::new(options(40, &[6; 4]));
    world.run_for(secs(2)).unwrap();
    let mut writes = Vec::new();
    for step in 0..60 {
        // To zones that are, to one that nobody was in, and to none.
        let zone = ["z-0", "z-1", "z-2", "z-3", "new", ""][step * 7 % 6];
        world.set_tags(step * 5 % 24, Tags::new([("zone", zone)]).unwrap());
        // The news of it and an update travel side by side.
        writes.push(world.write(step * 11 % 24, format!("key-{step}"), "x").unwrap());
        world.run_for(ms(20)).unwrap();
    }
    world.settle(secs(10)).unwrap();
    assert!(writes.iter().all(|write| world.delivery(*write).is_complete()));
    let (before, zones) = (crossings(&world), tagged_zones(&world));
    world.run_for(secs(20)).unwrap();
    write_some(&mut world, 5, secs(5));
    assert_eq!(crossings(&world) - before, 5 * (zones - 1), "all agree again");
}

fn tagged_zones(world: &World) -> u64 {
    let zones = world.live().map(|(_, node)| node.identity().tags.zone());
    zones.collect::<std::collections::BTreeSet<_>>().len() as u64
}

/// Half of the nodes have not heard that the others moved.
#[test]
fn nodes_that_disagree_about_zones_lose_nothing_and_go_in_no_circles() {
    let mut world = World::new(options(50, &[8; 3]));
    world.run_for(secs(2)).unwrap();
    let (one, other): (Vec<usize>, Vec<usize>) = (0..24).partition(|node| node % 2 == 0);
    world.partition(&one, &other);
    for node in 0..24 {
        let zone = format!("z-{}", (node + 1) % 4);
        world.set_tags(node, Tags::new([("zone", zone)]).unwrap());
    }
    world.run_for(ms(300)).unwrap();
    world.heal();
    let before = copies(&world);
    let writes: Vec<_> =
        (0..24).map(|node| world.write(node, format!("key-{node}"), "x").unwrap()).collect();
    world.run_for(ms(200)).unwrap();
    // The records that were on their way as well: nothing runs away.
    let copied = copies(&world) - before;
    assert!(copied < 4 * 48 * 24, "{copied}");
    world.settle(secs(10)).unwrap();
    assert!(writes.iter().all(|write| world.delivery(*write).is_complete()));
}

#[test]
fn who_joins_takes_the_data_from_its_own_zone() {
    let mut world = World::new(options(60, &[10; 3]));
    world.run_for(secs(2)).unwrap();
    for key in 0..500 {
        world.write(key % 30, format!("key-{key}"), [7; 1000]).unwrap();
        world.run_for(ms(1)).unwrap();
    }
    world.settle(secs(10)).unwrap();
    let across = |world: &World| world.total_traffic().across(Class::Repair).bytes;
    for node in [15, 25] {
        // It joins by nodes of the first zone.
        world.lose_disk(node);
        world.run_for(secs(30)).unwrap();
        let before = across(&world);
        world.boot(node);
        world.settle(secs(10)).unwrap();
        let crossed = across(&world) - before;
        assert!(crossed < 100_000, "{crossed} of 500,000 bytes crossed a border");
    }
    // A zone of its own cannot wait for anyone.
    world.lose_disk(29);
    world.run_for(secs(30)).unwrap();
    world.boot(29);
    world.set_tags(29, Tags::new([("zone", "lonely")]).unwrap());
    world.settle(secs(10)).unwrap();
}
