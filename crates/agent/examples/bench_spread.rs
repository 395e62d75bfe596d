//! temp
#[path = "../../cli/src/commands/bench/spread.rs"]
mod spread;
fn main() {
    let nodes: Vec<usize> = std::env::args().nth(1).unwrap_or("16,64".into()).split(',').map(|n| n.parse().unwrap()).collect();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for n in nodes {
        let opt = spread::Options { nodes: n, updates: 50, burst: 1000, bursts: 2, idle: std::time::Duration::from_secs(1), seed: 1 };
        let r = rt.block_on(spread::run(&opt, |_| ())).unwrap();
        println!("{}", serde_json::to_string(&r).unwrap());
    }
}
