//! What one node sends, another can read: where nobody damages packets, none is dropped as
//! malformed, strange or of another version.

use rumormill_core::Stats;

/// Checks a node's counters.
pub(crate) fn settled(stats: &Stats) -> Result<(), String> {
    let dropped = [
        ("malformed", stats.dropped_malformed),
        ("from strangers", stats.dropped_strangers),
        ("of another version", stats.dropped_version),
        ("of unknown type", stats.unknown_messages),
    ];
    match dropped.into_iter().find(|&(_, count)| count > 0) {
        Some((why, count)) => Err(format!("dropped {count} packets of its peers as {why}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_packet_is_found() {
        assert!(settled(&Stats::default()).is_ok());
        assert!(settled(&Stats { dropped_malformed: 1, ..Stats::default() }).is_err());
    }
}
