//! Everything that can be set on a node, with presets.

use crate::data::entry::{MAX_KEY, MAX_VALUE};
use crate::limits::Limits;
use crate::member;
use crate::member::suspicion::MAX_CONFIRMATIONS;
use crate::spread;
use crate::spread::entropy;
use crate::wire::Versions;
use crate::wire::budget::MAX_RATE;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;

/// The settings of the protocol. Nodes of one cluster may differ in all but
/// [`Config::cluster`] and [`ring.tombstones`](spread::ring::Config::tombstones), but for one thing: who only
/// pushes ([`repair.direction`](entropy::Config::direction)) among members who only pull gets nothing by
/// repair, so from one to the other a fleet is moved by `push-pull`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The cluster's name. Nodes of clusters with other names are strangers.
    pub cluster: String,
    /// How new entries spread.
    pub spread: spread::Config,
    /// Anti-entropy.
    pub repair: entropy::Config,
    /// Ring repair, and how tombstones go.
    pub ring: spread::ring::Config,
    /// How members are watched.
    pub member: member::Config,
    /// Bounds.
    pub limits: Limits,
    /// The versions of packets that are spoken: all that this build knows. Only tests pretend others.
    #[serde(skip)]
    #[doc(hidden)]
    pub speaks: Versions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: "rumormill".into(),
            spread: spread::Config::default(),
            repair: entropy::Config::default(),
            ring: spread::ring::Config::default(),
            member: member::Config::default(),
            limits: Limits::default(),
            speaks: Versions::BUILD,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} = {got}: {expected}")]
pub struct ConfigError {
    /// The setting, as written in the file.
    pub field: &'static str,
    /// Its value.
    pub got: String,
    /// What it may be.
    pub expected: &'static str,
}

impl Config {
    /// The preset called `local`, `lan` (the default) or `wan`.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let mut config = Self::default();
        match name {
            "lan" => {}
            "local" => {
                config.member.probe_timeout = Duration::from_millis(200);
                config.member.indirect_probes = 1;
                config.member.suspicion_mult = 3;
                config.member.rejoin_interval = Duration::from_secs(1);
            }
            "wan" => {
                config.spread.tree.window = Duration::from_millis(5);
                config.spread.mail.retransmit = Duration::from_secs(1);
                config.repair.interval = Duration::from_secs(1);
                config.repair.idle_interval = Duration::from_secs(5);
                config.member.probe_interval = Duration::from_secs(5);
                config.member.probe_timeout = Duration::from_secs(2);
                config.member.suspicion_mult = 6;
                config.member.confirmed_timeout = Duration::from_secs(10);
                config.member.rejoin_interval = Duration::from_secs(10);
            }
            _ => return None,
        }
        Some(config)
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// The first setting that is out of its range, with the range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        check("cluster", &self.cluster, (1..=255).contains(&self.cluster.len()), "1 to 255 bytes")?;
        let fanout = self.spread.tree.fanout;
        check("spread.tree.fanout", fanout, (1..=1000).contains(&fanout), "1 to 1000")?;
        let fanout = self.spread.rumor.fanout;
        check("spread.rumor.fanout", fanout, (1..=1000).contains(&fanout), "1 to 1000")?;
        let k = self.spread.rumor.k;
        check("spread.rumor.k", k, (1..=1000).contains(&k), "1 to 1000")?;
        let hot = self.spread.rumor.max_hot;
        check("spread.rumor.max_hot", hot, (1..=1_000_000).contains(&hot), "1 to 1,000,000")?;
        let piece = self.repair.piece_bytes;
        check("repair.piece_bytes", piece, (1024..=4 << 20).contains(&piece), "1 KiB to 4 MiB")?;
        let share = self.repair.cross_zone;
        check("repair.cross_zone", share, (0.0..=1.0).contains(&share), "0 to 1")?;
        let retention = self.ring.retention;
        check("ring.retention", retention, (1..=100).contains(&retention), "1 to 100")?;
        let key = limits.max_key;
        check("limits.max_key", key, (1..=MAX_KEY).contains(&key), "1 to 4096 bytes")?;
        let value = limits.max_value;
        check("limits.max_value", value, (1..=MAX_VALUE).contains(&value), "1 byte to 8 MiB")?;
        let datagram = limits.datagram;
        check(
            "limits.datagram",
            datagram,
            (576..=65_000).contains(&datagram),
            "576 to 65,000 bytes",
        )?;
        let burst = limits.burst;
        check("limits.burst", burst, burst >= datagram, "at least limits.datagram")?;
        let members = limits.max_members;
        check("limits.max_members", members, members >= 1, "at least 1")?;
        let incoming = limits.incoming;
        check("limits.incoming", incoming, incoming >= 32 << 20, "at least 32 MiB")?;
        for (field, rate) in [
            ("limits.membership_rate", limits.membership_rate),
            ("limits.updates_rate", limits.updates_rate),
            ("limits.repair_rate", limits.repair_rate),
        ] {
            let good = rate == 0 || (1000..=MAX_RATE).contains(&rate);
            check(
                field,
                rate,
                good,
                "0 for no bound, or 1,000 to 1,000,000,000,000 bytes a second",
            )?;
        }
        self.check_member()?;
        self.check_durations()
    }

    fn check_member(&self) -> Result<(), ConfigError> {
        let member = &self.member;
        let others = member.indirect_probes;
        check("member.indirect_probes", others, others <= 16, "0 to 16")?;
        for (field, mult) in [
            ("member.suspicion_mult", member.suspicion_mult),
            ("member.suspicion_max_mult", member.suspicion_max_mult),
        ] {
            check(field, mult, (1..=100).contains(&mult), "1 to 100")?;
        }
        let confirmations = member.confirmations;
        let most = MAX_CONFIRMATIONS;
        check("member.confirmations", confirmations, confirmations <= most, "0 to 3")?;
        check("member.doubt", member.doubt, member.doubt <= 100, "0 to 100")
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        for (field, duration) in [
            ("spread.rumor.period", self.spread.rumor.period),
            ("spread.mail.retransmit", self.spread.mail.retransmit),
            ("repair.idle_interval", self.repair.idle_interval),
            ("member.probe_interval", self.member.probe_interval),
            ("member.probe_timeout", self.member.probe_timeout),
            ("member.rejoin_interval", self.member.rejoin_interval),
        ] {
            let got = humantime::format_duration(duration);
            check(field, got, (MOMENT..=DAY).contains(&duration), "1ms to 1day")?;
        }
        for (field, duration, most, expected) in [
            ("spread.tree.window", self.spread.tree.window, SECOND, "0s to 1s"),
            ("repair.interval", self.repair.interval, DAY, "0s to 1day"),
            ("member.confirmed_timeout", self.member.confirmed_timeout, DAY, "0s to 1day"),
            ("repair.settle", self.repair.settle, DAY, "0s to 1day"),
            ("ring.interval", self.ring.interval, YEAR, "0s to 365days"),
            ("ring.reap_after", self.ring.reap_after, YEAR, "0s to 365days"),
            ("ring.reap_ephemeral", self.ring.reap_ephemeral, YEAR, "0s to 365days"),
            ("ring.keep_dormant", self.ring.keep_dormant, YEAR, "0s to 365days"),
            ("repair.audit_interval", self.repair.audit_interval, DAY, "0s to 1day"),
        ] {
            let got = humantime::format_duration(duration);
            check(field, got, duration <= most, expected)?;
        }
        let keep_for = self.ring.keep_for;
        let got = humantime::format_duration(keep_for);
        check("ring.keep_for", got, (SECOND..=YEAR).contains(&keep_for), "1s to 365days")
    }
}

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Longer makes no sense anywhere, and multiples of this cannot overflow.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn check(
    field: &'static str,
    got: impl ToString,
    good: bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if good { Ok(()) } else { Err(ConfigError { field, got: got.to_string(), expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound() {
        for name in ["local", "lan", "wan"] {
            assert_eq!(Config::preset(name).map(|config| config.check()), Some(Ok(())));
        }
    }

    /// Their multiples would overflow.
    #[test]
    fn endless_durations_are_refused() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().field
        };
        assert_eq!(refused(|c| c.repair.interval = Duration::MAX), "repair.interval");
        assert_eq!(refused(|c| c.spread.tree.window = Duration::MAX), "spread.tree.window");
        assert_eq!(refused(|c| c.spread.mail.retransmit = Duration::MAX), "spread.mail.retransmit");
        assert_eq!(refused(|c| c.member.probe_interval = Duration::MAX), "member.probe_interval");
        assert_eq!(refused(|c| c.member.probe_timeout = Duration::ZERO), "member.probe_timeout");
    }
}
