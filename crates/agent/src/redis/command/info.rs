//! `INFO` and `TIME`.

use super::REDIS_VERSION;
use crate::redis::server::Server;
use crate::redis::session::Session;
use crate::redis::stats::read;
use crate::redis::wire::resp::Request;
use crate::report::Status;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// A section's name and what writes its lines.
type Section = (&'static str, fn(&Server, &Status, &mut String));

const SECTIONS: &[Section] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", statistics),
    ("Replication", replication),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
    ("Rumormill", rumormill),
];

/// `INFO [section...]`
pub(crate) fn run(session: &mut Session, request: &Request<'_>) {
    let everything = request.len() == 1
        || request.from(1).any(|section| {
            matches!(section.to_ascii_lowercase().as_slice(), b"all" | b"default" | b"everything")
        });
    let status = session.server.node.status();
    let mut text = String::new();
    for (name, write) in SECTIONS {
        let asked =
            everything || request.from(1).any(|given| given.eq_ignore_ascii_case(name.as_bytes()));
        if asked {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let _ = write!(text, "# {name}\r\n");
            write(&session.server, &status, &mut text);
        }
    }
    session.out.verbatim(&text);
}

/// `TIME`: seconds and microseconds.
pub(crate) fn time(session: &mut Session) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    session.out.array(2);
    session.out.bulk(now.as_secs().to_string().as_bytes());
    session.out.bulk(now.subsec_micros().to_string().as_bytes());
}

fn line(text: &mut String, field: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{field}:{value}\r\n");
}

fn server(server: &Server, status: &Status, text: &mut String) {
    line(text, "redis_version", REDIS_VERSION);
    line(text, "redis_mode", "standalone");
    line(text, "rumormill_version", &status.version);
    line(text, "os", std::env::consts::OS);
    line(text, "arch_bits", usize::BITS);
    line(text, "process_id", std::process::id());
    line(text, "run_id", format_args!("{:0>40}", status.id));
    line(text, "tcp_port", server.port);
    line(text, "uptime_in_seconds", status.uptime_ms / 1000);
    line(text, "uptime_in_days", status.uptime_ms / 86_400_000);
}

fn clients(server: &Server, _: &Status, text: &mut String) {
    line(text, "connected_clients", read(&server.options.stats.connections));
    line(text, "maxclients", server.options.max_clients);
    line(text, "blocked_clients", server.clients.blocked());
    line(text, "clients_large_buffers", server.budget.held());
}

fn memory(_: &Server, _: &Status, text: &mut String) {
    let resident = resident_bytes();
    line(text, "used_memory", resident);
    line(text, "used_memory_rss", resident);
    line(text, "maxmemory", 0);
    line(text, "maxmemory_policy", "noeviction");
}

fn persistence(server: &Server, status: &Status, text: &mut String) {
    line(text, "loading", u8::from(server.is_loading()));
    line(text, "aof_enabled", u8::from(is_durable(status)));
    line(text, "aof_last_write_status", if is_healthy(status) { "ok" } else { "err" });
    line(text, "store", if status.store.is_empty() { "memory" } else { &status.store });
}

/// True if entries are kept on disk.
pub(crate) fn is_durable(status: &Status) -> bool {
    !matches!(status.store.as_str(), "" | "memory")
}

fn is_healthy(status: &Status) -> bool {
    status.store_problem().is_none()
}

fn statistics(server: &Server, status: &Status, text: &mut String) {
    let stats = &server.options.stats;
    line(text, "total_connections_received", read(&stats.connections_total));
    line(text, "total_commands_processed", read(&stats.commands));
    line(text, "total_net_input_bytes", read(&stats.received_bytes));
    line(text, "total_net_output_bytes", read(&stats.sent_bytes));
    line(text, "rejected_connections", read(&stats.refused));
    line(text, "keyspace_hits", read(&stats.hits));
    line(text, "keyspace_misses", read(&stats.misses));
    line(text, "total_error_replies", read(&stats.errors));
    line(text, "acl_access_denied_auth", read(&stats.auth_failures));
    line(text, "protocol_errors", read(&stats.protocol_errors));
    line(text, "clients_closed_slow", read(&stats.closed_slow));
    line(text, "clients_closed_idle", read(&stats.closed_idle));
    line(text, "clients_closed_memory", read(&stats.closed_memory));
    line(text, "accept_errors", read(&stats.accept_errors));
    line(text, "local_writes", status.counters.local_writes);
}

fn replication(_: &Server, _: &Status, text: &mut String) {
    line(text, "role", "master");
    line(text, "connected_slaves", 0);
}

fn cluster(_: &Server, _: &Status, text: &mut String) {
    // Redis Cluster, that is: clients must not look for slots.
    line(text, "cluster_enabled", 0);
}

fn keyspace(server: &Server, status: &Status, text: &mut String) {
    if status.entries > 0 {
        let expires = server.node.expiring();
        line(text, "db0", format_args!("keys={},expires={expires},avg_ttl=0", status.entries));
    }
}

fn rumormill(_: &Server, status: &Status, text: &mut String) {
    line(text, "node_name", &status.name);
    line(text, "node_id", &status.id);
    line(text, "cluster_name", &status.cluster);
    line(text, "gossip", status.gossip);
    line(text, "entries", status.entries);
    line(text, "hidden", status.hidden);
    line(text, "tombstones", status.tombstones);
    line(text, "digest", &status.digest);
    line(text, "members_alive", status.members.alive);
    line(text, "members_suspect", status.members.suspect);
    line(text, "members_dead", status.members.dead);
    line(text, "members_left", status.members.left);
    line(text, "gossip_sent_bytes", status.traffic.sent_bytes);
    line(text, "gossip_sent_messages", status.traffic.sent_messages);
    line(text, "gossip_received_bytes", status.traffic.received_bytes);
    line(text, "gossip_received_messages", status.traffic.received_messages);
}

/// Memory of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
