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
