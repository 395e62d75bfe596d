//! A program with a node inside: it watches a prefix, writes, reads and lists members.
//!
//! Run it twice, the second time with the address that the first one prints, and each hears what
//! the other writes:
//!
//! ```text
//! cargo run -p rumormill --example embed
//! cargo run -p rumormill --example embed -- 127.0.0.1:41234
//! ```

use rumormill::{Rumormill, WatchError};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Without `.data(folder)` entries live in memory, and come back from the other nodes.
    let node = Rumormill::builder().join(std::env::args().skip(1)).start().await?;
    let me = node.identity().clone();
    println!("{} receives gossip at {}; Ctrl-C ends it", me.name, me.gossip);

    // From now on: changes by any node, this one included.
    let mut watch = node.watch("greeting/");

    let key = format!("greeting/{}", me.name);
    let stamp = node.set(&key, "hello").await?;
    println!("wrote {key} with stamp {stamp}");
    if let Some(entry) = node.get(&key) {
        println!("read {key} = {}", String::from_utf8_lossy(entry.value().unwrap_or_default()));
    }
    // A sign of life that goes away by itself.
    node.set_for(format!("seen/{}", me.name), "now", Duration::from_secs(60)).await?;

    loop {
        tokio::select! {
            event = watch.next() => match event {
                Ok(event) => {
                    let key = String::from_utf8_lossy(event.entry.key()).into_owned();
                    println!("{} {key}, written by {}", event.kind.name(), event.entry.stamp().node);
                    for member in node.members().iter() {
                        println!("  member {} is {} at {}", member.name, member.state, member.gossip);
                    }
                }
                // A slow watcher loses events, never entries: scan what is there now.
                Err(WatchError::Missed(count)) => {
                    let entries = node.scan(b"greeting/", None, 100);
                    println!("missed {count} changes; {} entries are there", entries.len());
                }
                Err(WatchError::Closed) => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    // The others hold this node as left, not as dead.
    node.leave().await;
    Ok(())
}
