use rumormill_sim::epidemic::*;
fn show(name: &str, m: &Model, t: u64) {
    let now = std::time::Instant::now();
    let s = run(m, t, 1, 0, &Watch::default()).unwrap();
    let e = |m: &Moments| format!("{:.5} ± {:.5}", m.mean, m.error(s.trials));
    println!(
        "{name} n={}: res {} traffic {} tavg {} tlast {} complete {} {:?} lnln {:.2} u{} {:?}",
        m.nodes,
        e(&s.residue),
        e(&s.traffic),
        e(&s.t_avg),
        e(&s.t_last),
        s.complete,
        s.messages,
        (m.nodes as f64).ln().ln(),
        s.unfinished,
        now.elapsed()
    );
}
fn main() {
    for contact in [Contact::Push, Contact::Pull, Contact::PushPull] {
        for nodes in [65, 1000] {
            for (feedback, stop, k) in [
                (true, Stop::Coin, 2),
                (false, Stop::Coin, 3),
                (true, Stop::Counter, 2),
                (false, Stop::Counter, 3),
                (true, Stop::None, 1),
            ] {
                for fast in [true, false] {
                    let m = Model {
                        nodes,
                        contact,
                        feedback,
                        stop,
                        k,
                        start: 3,
                        loss: if fast { 0.0 } else { 1e-300 },
                        method: if stop == Stop::None { Method::Rumor } else { Method::Combined },
                        ..Model::default()
                    };
                    show(&format!("{contact:?} {feedback} {stop:?} {fast}"), &m, 1000);
                }
            }
            for fast in [true, false] {
                let m = Model {
                    nodes,
                    contact,
                    start: 3,
                    loss: if fast { 0.0 } else { 1e-300 },
                    method: Method::AntiEntropy,
                    ..Model::default()
                };
                show(&format!("{contact:?} AE {fast}"), &m, 1000);
            }
        }
        for nodes in [100_000_000] {
            show(
                "AE",
                &Model { nodes, contact, method: Method::AntiEntropy, ..Model::default() },
                1,
            );
            show(
                "rumor",
                &Model { nodes, contact, k: 3, method: Method::Rumor, ..Model::default() },
                1,
            );
        }
    }
}
