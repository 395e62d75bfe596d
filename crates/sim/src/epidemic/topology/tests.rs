use super::*;

fn all() -> [Topology; 9] {
    [
        Topology::Random,
        Topology::Regular,
        Topology::SmallWorld { rewire: 0.1 },
        Topology::SmallWorld { rewire: 1.0 },
        Topology::Ring,
        Topology::Grid { torus: true },
        Topology::Grid { torus: false },
        Topology::ScaleFree,
        Topology::Datacenters { zones: 3, across: 4 },
    ]
}

fn graph(topology: Topology, nodes: usize, width: usize, seed: u64) -> Graph {
    match topology.build(nodes, width, seed).unwrap() {
        Network::Graph(graph) => graph,
        Network::Complete(_) => panic!("{topology:?} has no list"),
    }
}

/// Mutual links, none to oneself, none twice.
fn check_links(graph: &Graph, what: &str) {
    for node in 0..graph.nodes() as u32 {
        let contacts = graph.neighbours(node);
        assert!(contacts.windows(2).all(|pair| pair[0] < pair[1]), "{what}: doubles at {node}");
        assert!(!contacts.contains(&node), "{what}: {node} knows itself");
        assert!(contacts.iter().all(|other| graph.is_link(*other, node)), "{what}: one way");
    }
}

#[test]
fn links_are_mutual_and_the_same_for_the_same_seed() {
    for topology in all() {
        let one = graph(topology, 1000, 6, 7);
        check_links(&one, topology.name());
        assert_eq!(one, graph(topology, 1000, 6, 7), "{topology:?}");
        assert!(one.bytes() <= topology.bytes(1000, 6), "{topology:?}");
        let fixed = matches!(topology, Topology::Ring | Topology::Grid { .. });
        assert_eq!(one == graph(topology, 1000, 6, 8), fixed, "{topology:?}");
    }
}

#[test]
fn everything_ends_with_as_many_contacts_as_there_are() {
    for topology in all().into_iter().filter(|topology| *topology != Topology::Regular) {
        for nodes in [9, 25, 36] {
            let width = (nodes - 1) / 2 * 2;
            let graph = graph(topology, nodes, width, 1);
            check_links(&graph, topology.name());
        }
    }
    assert_eq!(graph(Topology::Regular, 36, 35, 1).edges(), 36 * 35 / 2);
    assert_eq!(graph(Topology::Random, 2, 1, 1).edges(), 0, "no number is below 1 but 0");
}

#[test]
fn contacts_are_as_many_as_each_kind_promises() {
    let degrees = |topology, nodes, width| -> Vec<usize> {
        let graph = graph(topology, nodes, width, 3);
        (0..nodes as u32).map(|node| graph.neighbours(node).len()).collect()
    };
    for topology in [Topology::Regular, Topology::Ring, Topology::SmallWorld { rewire: 0.0 }] {
        assert_eq!(degrees(topology, 500, 8), [8; 500], "{topology:?}");
    }
    assert_eq!(degrees(Topology::Grid { torus: true }, 400, 8), [4; 400]);
    assert!(degrees(Topology::Grid { torus: false }, 400, 8).iter().all(|d| (2..=4).contains(d)));
    // A link that is thrown keeps one end: half of the width is left to everyone.
    let small = degrees(Topology::SmallWorld { rewire: 1.0 }, 500, 8);
    assert!(small.iter().all(|degree| *degree >= 4) && small.iter().sum::<usize>() == 500 * 8);
    let hubs = degrees(Topology::ScaleFree, 2000, 6);
    assert!(hubs.iter().all(|degree| *degree >= 3) && hubs.iter().sum::<usize>() == 6 * 1996 + 12);
    assert!(hubs.iter().max() > Some(&60), "no hub: {:?}", hubs.iter().max());
    let zones = degrees(Topology::Datacenters { zones: 5, across: 3 }, 500, 8);
    assert!(zones.iter().all(|degree| *degree >= 8));
    assert_eq!(zones.iter().sum::<usize>(), 500 * 8 + 2 * 10 * 3);
    let random = degrees(Topology::Random, 2000, 10);
    let mean = random.iter().sum::<usize>() as f64 / 2000.0;
    assert!((4.5..9.0).contains(&mean), "{mean}");
}

#[test]
fn small_worlds_and_zones_throw_as_many_links_as_asked() {
    let ring = graph(Topology::Ring, 5000, 10, 1);
    let small = graph(Topology::SmallWorld { rewire: 0.2 }, 5000, 10, 1);
    let links = (0..5000).flat_map(|a| small.neighbours(a).iter().map(move |b| (a, *b)));
    let thrown = links.filter(|(a, b)| a < b && !ring.is_link(*a, *b)).count();
    // 25,000 links, each thrown with probability 0.2: 5,000, with a deviation of 63.
    assert!(thrown.abs_diff(5000) < 6 * 63, "{thrown}");

    let zones = graph(Topology::Datacenters { zones: 4, across: 5 }, 400, 10, 1);
    for node in 0..400 {
        let zone = node / 100;
        let away = zones.neighbours(node).iter().filter(|other| *other / 100 != zone).count();
        assert_eq!(zones.neighbours(node).len() - away, 10);
    }
}

#[test]
fn those_that_promise_it_are_connected() {
    for topology in [
        Topology::Ring,
        Topology::SmallWorld { rewire: 0.0 },
        Topology::Grid { torus: true },
        Topology::Grid { torus: false },
        Topology::ScaleFree,
    ] {
        let parts = crate::epidemic::anatomy::components(&graph(topology, 900, 4, 5));
        assert_eq!(parts, [900], "{topology:?}");
    }
}

/// The sample program of the text, with lists and the same draws.
#[test]
fn random_is_what_adding_contacts_one_by_one_gives() {
    let (nodes, width) = (200, 12);
    let mut rng = Rng::new(4);
    let mut lists = vec![Vec::new(); nodes];
    for node in 0..nodes {
        let wanted = rng.index(width);
        while lists[node].len() < wanted {
            let other = rng.index(nodes);
            if other != node && !lists[node].contains(&(other as u32)) {
                lists[node].push(other as u32);
                lists[other].push(node as u32);
            }
        }
    }
    let graph = graph(Topology::Random, nodes, width, 4);
    for (node, mut list) in lists.into_iter().enumerate() {
        list.sort_unstable();
        assert_eq!(graph.neighbours(node as u32), list);
    }
}

#[test]
fn what_cannot_be_is_refused_with_advice() {
    for (topology, nodes, width, words) in [
        (Topology::Complete, 0, 1, "at least one node"),
        (Topology::Complete, usize::MAX, 1, "at most 4294967294"),
        (Topology::Random, 0, 1, "at least one node"),
        (Topology::Random, 10, 0, "width 0"),
        (Topology::Random, 10, 10, "only 9 others"),
        (Topology::Random, 1, 1, "only 0 others"),
        (Topology::Random, 10, usize::MAX, "only 9 others"),
        (Topology::Random, usize::MAX, 10, "too many"),
        (Topology::Random, 1_000_000_000, 150, "too many"),
        (Topology::Regular, 9, 3, "make the nodes or the width even"),
        (Topology::Ring, 9, 3, "even"),
        (Topology::SmallWorld { rewire: 0.1 }, 9, 3, "even"),
        (Topology::SmallWorld { rewire: 1.5 }, 9, 4, "from 0 to 1"),
        (Topology::SmallWorld { rewire: f64::NAN }, 9, 4, "from 0 to 1"),
        (Topology::ScaleFree, 9, 3, "even"),
        (Topology::Grid { torus: false }, 1009, 4, "take 1024"),
        (Topology::Datacenters { zones: 0, across: 1 }, 9, 4, "at least 1 zone"),
        (Topology::Datacenters { zones: 10, across: 1 }, 9, 4, "at least 1 zone"),
        (Topology::Datacenters { zones: 9, across: 10 }, 9, 4, "fewer zones"),
        (Topology::Datacenters { zones: 2, across: usize::MAX }, 9, 4, "too many"),
    ] {
        let error = topology.build(nodes, width, 1).unwrap_err().0;
        assert!(error.contains(words), "{topology:?} {nodes} {width}: {error}");
    }
    assert_eq!(Topology::Complete.build(1, 0, 1), Ok(Network::Complete(1)));
    assert_eq!(Topology::Complete.bytes(usize::MAX, usize::MAX), 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn any_settings_are_a_network_or_an_error(
        kind in 0..8_usize,
        nodes in 0..80_usize,
        width in 0..90_usize,
        share in 0.0..1.0_f64,
        zones in 0..12_usize,
        across in 0..60_usize,
        seed in proptest::prelude::any::<u64>(),
    ) {
        let topology = [
            Topology::Random,
            Topology::Regular,
            Topology::SmallWorld { rewire: share },
            Topology::Ring,
            Topology::Grid { torus: share < 0.5 },
            Topology::ScaleFree,
            Topology::Datacenters { zones, across },
            Topology::Complete,
        ][kind];
        let checked = topology.check(nodes, width);
        let built = topology.build(nodes, width, seed);
        proptest::prop_assert_eq!(checked.err(), built.as_ref().err().cloned());
        if let Ok(Network::Graph(graph)) = built {
            proptest::prop_assert_eq!(graph.nodes(), nodes);
            check_links(&graph, topology.name());
        }
    }
}
