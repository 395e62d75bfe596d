use super::*;

fn spatial(topology: Topology, nodes: usize, width: usize, a: f64) -> Spatial {
    let network = topology.build(nodes, width, 1).unwrap();
    Spatial::new(Some(topology), &network, width, a).unwrap()
}

/// Distances by search, whatever the shape.
fn distances(topology: Topology, nodes: usize, width: usize, from: u32) -> Vec<usize> {
    let Network::Graph(graph) = topology.build(nodes, width, 1).unwrap() else {
        return (0..nodes).map(|node| usize::from(node != from as usize)).collect();
    };
    let (order, ends) = search(&graph, from);
    let mut distances = vec![usize::MAX; nodes];
    for (rank, node) in order.iter().enumerate() {
        distances[usize::from(*node)] = ends.partition_point(|end| *end as usize <= rank);
    }
    distances
}

/// The formula of the module's header, node by node.
fn probabilities(distances: &[usize], a: f64) -> Vec<f64> {
    let within = |d: usize| distances.iter().filter(|other| **other <= d).count() as f64;
    let weight = |d: usize| {
        let (inner, outer) = (within(d - 1), within(d));
        if a == 1.0 {
            return (outer.ln() - inner.ln()) / (outer - inner);
        }
        (inner.powf(1.0 - a) - outer.powf(1.0 - a)) / (outer - inner) * (a - 1.0).signum()
    };
    let of = |d: &usize| if [0, usize::MAX].contains(d) { 0.0 } else { weight(*d) };
    let weights: Vec<f64> = distances.iter().map(of).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

fn shapes() -> Vec<(Topology, usize, usize)> {
    vec![
        (Topology::Complete, 20, 1),
        (Topology::Ring, 41, 2),
        (Topology::Ring, 40, 6),
        (Topology::Grid { torus: false }, 42, 4),
        (Topology::Grid { torus: true }, 48, 4),
        (Topology::Grid { torus: true }, 35, 4),
        (Topology::Regular, 40, 3),
        (Topology::ScaleFree, 40, 2),
    ]
}

/// Pearson's statistic of the drawn partners is within six standard deviations of its mean, which
/// is the number of possible partners less one, with a variance of twice that.
#[test]
fn partners_are_drawn_by_the_formula() {
    for (topology, nodes, width) in shapes() {
        for a in [0.0, 0.7, 1.0, 1.5, 2.0, 3.0] {
            let spatial = spatial(topology, nodes, width, a);
            for from in [0, nodes as u32 / 2 + 1] {
                let expected = probabilities(&distances(topology, nodes, width, from), a);
                let draws = 200_000;
                let mut counts = vec![0_u32; nodes];
                let mut rng = Rng::new(9);
                for _ in 0..draws {
                    counts[spatial.partner(from, &mut rng) as usize] += 1;
                }
                assert_eq!(counts[from as usize], 0, "{topology:?} calls itself");
                let terms = counts.iter().zip(&expected).filter(|(_, p)| **p > 0.0);
                let statistic: f64 = terms
                    .map(|(count, p)| {
                        let mean = p * f64::from(draws);
                        (f64::from(*count) - mean).powi(2) / mean
                    })
                    .sum();
                let free = (nodes - 2) as f64;
                assert!(
                    statistic < free + 6.0 * (2.0 * free).sqrt(),
                    "{topology:?} a = {a} from {from}: {statistic} with {free} degrees"
                );
            }
        }
    }
}

#[test]
fn two_is_one_over_the_product_of_both_counts() {
    for (topology, nodes, width) in shapes() {
        let distances = distances(topology, nodes, width, 5);
        let spatial = spatial(topology, nodes, width, 2.0);
        let weight =
            |d: usize| 1.0 / (spatial.within(5, d - 1) as f64 * spatial.within(5, d) as f64);
        let all: f64 = distances.iter().filter(|d| **d > 0).map(|d| weight(*d)).sum();
        let formula = probabilities(&distances, 2.0);
        for (d, p) in distances.iter().zip(formula).filter(|(d, _)| **d > 0) {
            assert!((weight(*d) / all - p).abs() < 1e-12, "{topology:?} at {d}");
        }
    }
}

#[test]
fn counts_within_a_distance_are_those_of_a_search() {
    for (topology, nodes, width) in shapes() {
        let spatial = spatial(topology, nodes, width, 2.0);
        for from in 0..nodes as u32 {
            let distances = distances(topology, nodes, width, from);
            for d in 0..nodes {
                let expected = distances.iter().filter(|other| **other <= d).count();
                assert_eq!(spatial.within(from, d), expected, "{topology:?} {from} {d}");
            }
        }
    }
}

/// What the distribution is for: on a line, traffic per link grows with n if everyone is equally
/// likely, and with its logarithm if a = 2.
#[test]
fn two_makes_traffic_on_a_line_logarithmic() {
    let mean = |nodes, a| spatial(Topology::Ring, nodes, 2, a).mean_distance();
    for nodes in [1001, 10_001, 100_001] {
        assert!((mean(nodes, 0.0) - (nodes as f64 + 1.0) / 4.0).abs() < 1e-6 * nodes as f64);
        // The sum over d of d (1/(2d-1) - 1/(2d+1)) is the sum of 1/(2d-1): about half of
        // ln n, and a constant.
        let expected = (nodes as f64 / 2.0).ln() / 2.0 + 0.5772 / 2.0 + 2_f64.ln();
        let measured = mean(nodes, 2.0);
        assert!((measured - expected).abs() < 0.6, "{nodes}: {measured}, {expected}");
    }
}

#[test]
fn a_mean_distance_is_that_of_what_is_drawn() {
    for (topology, nodes, width) in shapes() {
        let spatial = spatial(topology, nodes, width, 1.5);
        let from = |node: u32| {
            let distances = distances(topology, nodes, width, node);
            let pairs = probabilities(&distances, 1.5).into_iter().zip(distances);
            pairs.filter(|(p, _)| *p > 0.0).map(|(p, d)| p * d as f64).sum::<f64>()
        };
        let expected = (0..nodes as u32).map(from).sum::<f64>() / nodes as f64;
        let measured = spatial.mean_distance();
        assert!((measured - expected).abs() < 1e-9, "{topology:?}: {measured}, {expected}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let random = Some(Topology::Random);
    assert!(check(random, MAX_LISTED, 2.0).is_ok());
    assert!(check(random, MAX_LISTED + 1, 2.0).unwrap_err().0.contains("20000"));
    assert!(check(None, MAX_LISTED + 1, 2.0).is_err());
    assert!(check(Some(Topology::Ring), 100_000_000, 2.0).is_ok());
    for a in [f64::NAN, -0.1, 21.0, f64::INFINITY] {
        assert!(check(Some(Topology::Ring), 100, a).is_err(), "{a}");
    }
    assert!(check(Some(Topology::Ring), 1, 2.0).is_err());
    let alone = Network::Graph(Graph::from_links(3, &[(0, 1)]).unwrap());
    let error = Spatial::new(None, &alone, 0, 2.0).unwrap_err();
    assert!(error.0.contains("node 2 has no contact"), "{error}");
}
