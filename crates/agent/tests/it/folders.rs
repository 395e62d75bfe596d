//! Data folders: of the version before, and with what a later version wrote.

use crate::support::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rumormill::core::data::{Entry, Expiry, Fields, Kind, Op};
use rumormill::core::{Config, NodeId};
use rumormill::{Builder, Rumormill};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// A folder that the version before recorded, file by file, and what was in it.
const BEFORE: &str = include_str!("../fixtures/folder-0.1.json");

/// Writes a recorded folder as it was, and lets it be the one that it was: an identity names the
/// very file that it stands in, and one in another is taken for a copy.
fn unpack(recorded: &Value, to: &Path) {
    for (name, content) in recorded["files"].as_object().unwrap() {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = STANDARD.decode(content["bytes"].as_str().unwrap()).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, &bytes).unwrap();
        // What is only zeros, to its end, is left out.
        file.set_len(content["length"].as_u64().unwrap()).unwrap();
    }
    let path = to.join("identity.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let about = path.metadata().unwrap();
    let born = about.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let mark = format!("{:x}-{:x}", about.ino(), born.unwrap_or_default().as_nanos());
    let line = |line: &str| match line.starts_with("file = ") {
        true => format!("file = {mark:?}\n"),
        false => format!("{line}\n"),
    };
    std::fs::write(&path, text.lines().map(line).collect::<String>()).unwrap();
}

fn node_config() -> Config {
    let mut config = Config { cluster: "recorded".into(), ..Config::default() };
    // Nothing but the folder is to be looked at.
    config.ring.interval = Duration::ZERO;
    config
}

fn quiet(folder: &Path) -> Builder {
    Rumormill::builder().name("n0").data(folder).config(node_config())
}

#[tokio::test]
async fn a_folder_of_the_version_before_opens_with_everything_in_it() {
    let recorded: Value = serde_json::from_str(BEFORE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    unpack(&recorded, folder.path());
    let node = quiet(folder.path()).start().await.unwrap();
    assert_eq!(node.identity().id.to_string(), recorded["node"].as_str().unwrap());
    // Tombstones count, and they have stamps like everything else: the digest is of all of them.
    let expected = &recorded["expected"];
    let digest = expected["digest"].as_str().unwrap();
    // At once: who asks before the loop's first turn is told the same.
    assert_eq!(node.status().digest, digest);
    assert_eq!(node.status().tombstones, expected["tombstones"].as_u64().unwrap());
    let shown: BTreeMap<String, &Value> = expected["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["key"].as_str().unwrap().to_owned(), entry))
        .collect();
    for (key, expected) in &shown {
        let entry = node.get(key).unwrap();
        assert_eq!(entry.value(), expected["value"].as_str().map(str::as_bytes), "{key}");
        assert_eq!(entry.stamp().to_string(), expected["stamp"].as_str().unwrap());
        assert_eq!(entry.expires_at(), expected["expires_at_ms"].as_u64());
        assert_eq!(entry.owner().is_some(), expected["owned"].as_bool().unwrap_or_default());
    }
    let scanned = node.scan(b"", None, 1000);
    assert_eq!(scanned.len(), shown.len(), "{scanned:?}");
    let names: Vec<String> = node.members().iter().map(|member| member.name.clone()).collect();
    assert_eq!(names.len() as u64, expected["members"].as_u64().unwrap(), "{names:?}");
    // What is kept of ring repair: the node knows the pass that it was part of.
    let ring = node.ring_status();
    assert!(ring.covered);
    assert_eq!(ring.horizon.unwrap().pass, expected["pass"].as_str().unwrap());
    node.shutdown().await;
}

fn later(key: &str, kind: u8, fields: Fields<'_>) -> Op {
    let put = Op::put(key.as_bytes().into(), b"body"[..].into(), Expiry::Never, false);
    Op::Extended { op: put.into(), kind: Kind(kind), fields: fields.bytes().into() }
}

fn all(node: &Rumormill) -> Vec<Arc<Entry>> {
    node.scan(b"", None, 1000)
}

#[tokio::test]
async fn a_folder_with_what_a_later_version_wrote_is_opened_and_kept_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let node = quiet(folder.path()).start().await.unwrap();
    let id: NodeId = node.identity().id;
    let bytes = Fields::NONE.with(300, Some(b"more"));
    let fields = Fields::new(&bytes).unwrap();
    for op in
        [later("kind", 7, fields), later("noted", 0, fields), later("bare", 255, Fields::NONE)]
    {
        node.write_one(op).await.unwrap();
    }
    let before = all(&node);
    assert_eq!(before.len(), 3);
    until("the digest is of all", || node.status().entries == 3).await;
    let digest = node.status().digest;
    node.shutdown().await;
    drop(node);
    for _ in 0..2 {
        let node = quiet(folder.path()).start().await.unwrap();
        assert_eq!((node.identity().id, all(&node)), (id, before.clone()));
        assert_eq!(node.status().digest, digest);
        node.shutdown().await;
    }
    // And another gets it to the last byte, over real sockets.
    let node = quiet(folder.path()).start().await.unwrap();
    let seed = node.identity().gossip.to_string();
    let config = node_config();
    let other = Rumormill::builder().name("n1").config(config).join([seed]).start().await.unwrap();
    until("the other has it", || all(&other) == before).await;
}
