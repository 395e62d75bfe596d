use rumormill_sim::epidemic::*;
fn main() {
    for (contact, feedback, stop) in [
        (Contact::Push, true, Stop::Counter),
        (Contact::Push, false, Stop::Coin),
        (Contact::Pull, true, Stop::Counter),
    ] {
        for k in 1..=5 {
            let m = Model { contact, feedback, stop, k, ..Model::default() };
            let s = run(&m, 1000, 1, 0, &Watch::default()).unwrap();
            let e = |m: &Moments| format!("{:.5} ± {:.5}", m.mean, m.error(s.trials));
            println!(
                "{contact:?} {feedback} {stop:?} {k}: {} {} {} {}",
                e(&s.residue),
                e(&s.traffic),
                e(&s.t_avg),
                e(&s.t_last)
            );
        }
    }
}
