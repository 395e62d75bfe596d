use rumormill_sim::epidemic::*;
fn show(name: &str, m: &Model, t: u64) {
    let s = run(m, t, 1, 0, &Watch::default()).unwrap();
    let e = |m: &Moments| format!("{:.5} ± {:.5}", m.mean, m.error(s.trials));
    println!(
        "{name} n={}: res {} traffic {} tavg {} tlast {} complete {} {:?} lnln {:.2} u{}",
        m.nodes,
        e(&s.residue),
        e(&s.traffic),
        e(&s.t_avg),
        e(&s.t_last),
        s.complete,
        s.messages,
        (m.nodes as f64).ln().ln(),
        s.unfinished
    );
}
fn main() {
    for nodes in [100, 1000, 10000, 100_000, 1_000_000] {
        let m =
            Model { nodes, median_counter: true, contact: Contact::PushPull, ..Model::default() };
        show("median", &m, if nodes > 100_000 { 4 } else { 100 });
    }
    let d = Model::default();
    show("mail", &Model { method: Method::DirectMail, loss: 0.1, ..d.clone() }, 100);
    show(
        "mail2",
        &Model { method: Method::DirectMail, loss: 0.1, retries: 3, crash: 0.2, ..d.clone() },
        100,
    );
    show("tree", &Model { method: Method::Tree, fanout: 8, ..d.clone() }, 100);
    show("tree", &Model { method: Method::Tree, fanout: 8, loss: 0.01, ..d.clone() }, 100);
    show("ring", &Model { method: Method::Ring, ..d.clone() }, 100);
    show("comb", &Model { method: Method::Combined, ..d.clone() }, 100);
    for k in [1, 2, 3, 4, 6] {
        let m = Model { nodes: 10000, k, connection_limit: Some(1), ..d.clone() };
        let s = run(&m, 30, 1, 0, &Watch::default()).unwrap();
        println!(
            "limit k={k}: {}  {} lambda {} refused {}",
            s.residue.mean,
            s.traffic.mean,
            -s.residue.mean.ln() / s.traffic.mean,
            s.messages.refused
        );
        let m = Model { hunt: 1000000, ..m };
        let s = run(&m, 30, 1, 0, &Watch::default()).unwrap();
        println!(
            "hunt k={k}: {}  {} lambda {}",
            s.residue.mean,
            s.traffic.mean,
            -s.residue.mean.ln() / s.traffic.mean
        );
        let m = Model { contact: Contact::Pull, ..m };
        let s = run(&m, 30, 1, 0, &Watch::default()).unwrap();
        println!(
            "hunt pull k={k}: {}  {} lambda {}",
            s.residue.mean,
            s.traffic.mean,
            -s.residue.mean.ln() / s.traffic.mean
        );
    }
    for contact in [Contact::Push, Contact::Pull] {
        show("si", &Model { contact, method: Method::AntiEntropy, ..d.clone() }, 1000);
        show(
            "si limit",
            &Model { contact, method: Method::AntiEntropy, connection_limit: Some(1), ..d.clone() },
            1000,
        );
        show(
            "si perm",
            &Model {
                contact,
                method: Method::AntiEntropy,
                connection_limit: Some(1),
                hunt: 10000,
                ..d.clone()
            },
            1000,
        );
    }
}
