//! The routes: the list of them all, and what each does.

pub(super) mod bulk;
pub(super) mod coverage;
pub(super) mod keyring;
pub(super) mod kv;
pub(super) mod members;
pub(super) mod metrics;
pub(super) mod node;
pub(super) mod page;
pub(super) mod repair;
pub(super) mod ring;
pub(super) mod strays;
pub(super) mod watch;

/// Every route: its path, its methods, and what it is for.
pub(super) const ROUTES: [(&str, &str, &str); 28] = [
    ("/", "GET, HEAD", "the status page"),
    ("/healthz", "GET, HEAD", "200 while the process answers"),
    ("/readyz", "GET, HEAD", "200 while the node can do its work, else 503 with the reason"),
    ("/metrics", "GET, HEAD", "numbers for Prometheus"),
    ("/v1", "GET, HEAD", "this list"),
    (
        "/v1/kv",
        "GET, HEAD, POST",
        "GET ?prefix= &limit= &after= &keys=1 lists entries; POST writes lines of JSON: key, \
         value (or key_base64, value_base64), ttl, \
         owned",
    ),
    ("/v1/kv/", "GET, HEAD, PUT, DELETE", "the empty key"),
    (
        "/v1/kv/{*key}",
        "GET, HEAD, PUT, DELETE",
        "one value, raw bytes; GET ?max_staleness=2s; PUT ?ttl=30 or ?ttl=10m, ?owned=1; \
         PUT and DELETE ?wait=all, 0.99 or 3, &wait_timeout=5s",
    ),
    ("/v1/coverage/", "GET, HEAD", "the same of the empty key"),
    ("/v1/coverage/{*key}", "GET, HEAD", "who holds what this node holds under a key; ?timeout=1s"),
    ("/v1/export", "GET, HEAD", "all entries as lines of JSON; ?prefix= &keys=1"),
    ("/v1/watch", "GET, HEAD", "changes as server-sent events; ?prefix= &keys=1"),
    ("/v1/status", "GET, HEAD", "the state of the node"),
    ("/v1/members", "GET, HEAD", "everyone that the node knows; ?tag=zone=a &state=alive"),
    (
        "/v1/members/{member}/forget",
        "POST",
        "waits no longer for a dead member, by its name or id; ?force=1 waives its vote as well",
    ),
    (
        "/v1/repair/ring",
        "GET, HEAD, POST",
        "where ring repair stands; POST begins a pass, ?first=1 without who is missing",
    ),
    (
        "/v1/strays",
        "GET, HEAD",
        "what the node keeps aside until it is decided on; ?limit= &after=",
    ),
    (
        "/v1/strays/restore",
        "POST",
        "writes what is kept aside again: {\"keys\":[...]}, keys_base64, or {\"all\":true}",
    ),
    ("/v1/strays/drop", "POST", "drops what is kept aside, as for restore"),
    (
        "/v1/events/members",
        "GET, HEAD",
        "what happened to members lately, as the node saw it; ?about=NAME &limit=",
    ),
    (
        "/v1/events/repair",
        "GET, HEAD",
        "what repair did lately and what it cost; ?about=NAME &calm=1 &limit=",
    ),
    (
        "/v1/events/keys",
        "GET, HEAD",
        "what became of entries of a key: collected, kept aside, written anew; ?about=KEY",
    ),
    (
        "/v1/tags",
        "GET, HEAD, PUT, PATCH",
        "the node's tags as a JSON object; PUT sets all, PATCH changes some and null takes one off",
    ),
    (
        "/v1/leave",
        "GET, HEAD, POST",
        "POST hands over what the node has, says goodbye and stops it; ?timeout=10s &now=1. GET: how \
         far that is",
    ),
    ("/v1/keyring", "GET, HEAD", "the ids of the cluster's keys, and who holds which"),
    ("/v1/keyring/add", "POST", "adds the key in the body, or a new one if there is none"),
    ("/v1/keyring/use", "POST", "?id= makes a key primary"),
    ("/v1/keyring/remove", "POST", "?id= &force=1 removes a key"),
];
