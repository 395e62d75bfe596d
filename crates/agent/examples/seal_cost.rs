//! What encryption costs on this machine: `cargo run --release -p rumormill --example seal_cost`.

use rumormill::seal_cost::{datagram, handshake};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    for len in [64, 1200] {
        // The first round warms up.
        let best = (0..6).skip(1).filter_map(|_| datagram(len, 200_000)).min();
        if let Some((seal, open)) = best {
            println!("datagram of {len} bytes: seal {seal:?}, open {open:?}");
        }
    }
    println!("handshake of a stream, both ends: {:?}", handshake(1000).await?);
    Ok(())
}
