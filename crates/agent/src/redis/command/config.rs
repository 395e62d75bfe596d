//! `CONFIG`: what clients ask for is answered; settings are changed in the agent's own file.

use super::glob::Glob;
use super::info::is_durable;
use super::table::Id;
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::resp::Request;

/// `CONFIG GET pattern...`, and refusals for the rest.
pub(crate) fn run(session: &mut Session, id: Id, request: &Request<'_>) -> Result<(), Fault> {
    match id {
        Id::ConfigGet => get(session, request),
        Id::ConfigSet => Err("ERR CONFIG SET is not supported: change the setting in the agent's \
             configuration file or its flags and restart it"
            .into()),
        Id::ConfigRewrite => {
            Err("ERR CONFIG REWRITE is not supported: the agent never changes its configuration \
             file"
                .into())
        }
        _ => {
            Err("ERR CONFIG RESETSTAT is not supported: counters only grow, take differences"
                .into())
        }
    }
}

fn get(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let patterns: Vec<_> = request.from(2).map(<[u8]>::to_ascii_lowercase).collect();
    // Every pattern is tried on every setting.
    if patterns.len() > 64 || patterns.iter().any(|pattern| pattern.len() > 256) {
        return Err("ERR CONFIG GET takes up to 64 patterns of up to 256 bytes".into());
    }
    let patterns: Vec<_> = patterns.iter().map(|pattern| Glob::new(pattern)).collect();
    let settings = settings(session);
    let matching: Vec<_> = settings
        .iter()
        .filter(|(name, _)| patterns.iter().any(|glob| glob.matches(name.as_bytes())))
        .collect();
    session.out.map(matching.len());
    for (name, value) in matching {
        session.out.bulk(name.as_bytes());
        session.out.bulk(value.as_bytes());
    }
    Ok(())
}

fn settings(session: &Session) -> Vec<(&'static str, String)> {
    let server = &session.server;
    let durable = is_durable(&server.node.status());
    let timeout = server.options.idle_timeout.map_or(0, |timeout| timeout.as_secs());
    vec![
        ("appendonly", if durable { "yes" } else { "no" }.into()),
        ("bind", session.client.local.ip().to_string()),
        ("databases", "1".into()),
        ("maxclients", server.options.max_clients.to_string()),
        ("maxmemory", "0".into()),
        ("maxmemory-policy", "noeviction".into()),
        ("port", server.port.to_string()),
        ("proto-max-bulk-len", server.limits.bulk.to_string()),
        ("save", String::new()),
        ("slowlog-max-len", "0".into()),
        ("timeout", timeout.to_string()),
    ]
}
