//! Writes on both sides of a cut, and what is left of them after it heals.

use crate::{ms, secs};
use rumormill_sim::{Options, World};

#[test]
fn both_halves_write_and_delete_and_agree_after_healing() {
    let mut world = World::new(Options { seed: 5, nodes: 10, ..Options::default() });
    for key in 0..20 {
        world.write(key % 10, format!("key-{key}"), "before").unwrap();
    }
    world.run_until(|world| world.digests().len() == 1, secs(5)).unwrap();
    let (one, other): (Vec<usize>, Vec<usize>) = (0..10).partition(|node| *node < 5);
    world.partition(&one, &other);
    world.run_for(ms(50)).unwrap();
    for key in 0..10 {
        world.write(key % 5, format!("key-{key}"), "one side").unwrap();
        world.write(key % 5, format!("one-{key}"), "new").unwrap();
        world.delete(5 + key % 5, format!("key-{}", key + 5)).unwrap();
        world.run_for(ms(20)).unwrap();
    }
    world.delete(7, "key-2").unwrap();
    // Long enough that each half takes the other for dead.
    world.run_for(secs(60)).unwrap();
    assert_eq!(world.digests().len(), 2);
    assert!((0..10).all(|node| world.alive_at(node) == 5));
    world.heal();
    world.settle(secs(30)).unwrap();
    for node in 0..10 {
        assert_eq!(world.read(node, "key-1"), Some(&b"one side"[..]));
        assert_eq!(world.read(node, "key-12"), None, "deleted on the other side");
        assert_eq!(world.read(node, "key-9"), Some(&b"one side"[..]), "deleted before that");
        assert_eq!(world.read(node, "key-2"), None, "deleted after it was written over there");
        assert_eq!(world.read(node, "one-9"), Some(&b"new"[..]));
    }
}

#[test]
fn a_one_way_cut_does_not_keep_nodes_apart_after_it_ends() {
    let mut world = World::new(Options { seed: 6, nodes: 6, ..Options::default() });
    world.cut(&[0, 1], &[2, 3, 4, 5]);
    world.write(0, "heard late", "x").unwrap();
    world.write(3, "heard early", "y").unwrap();
    world.run_for(secs(20)).unwrap();
    world.heal();
    world.settle(secs(30)).unwrap();
    assert_eq!(world.read(5, "heard late"), Some(&b"x"[..]));
    assert_eq!(world.read(1, "heard early"), Some(&b"y"[..]));
}
