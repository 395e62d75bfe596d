//! Redis commands that are not here, each with the reason, so that nobody searches for a typo.

use std::fmt::Write as _;

const CONSENSUS: &str = "needs consensus, a decision locked among all nodes, which a gossip store \
    does not have: two nodes could both say yes. ";

/// What to use in place of each command that needs consensus. In the order of their names.
const NEED_CONSENSUS: &[(&str, &str)] = &[
    ("discard", DONE),
    ("eval", SCRIPT),
    ("eval_ro", SCRIPT),
    ("evalsha", SCRIPT),
    ("evalsha_ro", SCRIPT),
    ("exec", DONE),
    ("fcall", SCRIPT),
    ("fcall_ro", SCRIPT),
    ("function", SCRIPT),
    ("hsetnx", WRITE),
    ("msetnx", WRITE),
    ("multi", BATCH),
    ("renamenx", WRITE),
    ("script", SCRIPT),
    ("setnx", WRITE),
    ("unwatch", BATCH),
    ("watch", BATCH),
];

const WRITE: &str = "Write unconditionally with SET, or use a system with consensus for locks";
const BATCH: &str = "Send the commands as a pipeline without MULTI (in redis-py: \
    pipeline(transaction=False)), or use a system with consensus";
const DONE: &str = "MULTI was refused, so the commands after it were carried out one by one. Send \
    them as a pipeline without MULTI (in redis-py: pipeline(transaction=False))";
const SCRIPT: &str = "Send plain commands, or use a system with consensus";

/// What is not in this version, by the commands that would use it.
const NOT_HERE: &[(&str, &[&str])] = &[
    ("counters", &["decr", "decrby", "incr", "incrby", "incrbyfloat"]),
    (
        "hashes",
        &[
            "hdel",
            "hexists",
            "hexpire",
            "hexpireat",
            "hexpiretime",
            "hget",
            "hgetall",
            "hgetdel",
            "hgetex",
            "hincrby",
            "hincrbyfloat",
            "hkeys",
            "hlen",
            "hmget",
            "hmset",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hpexpiretime",
            "hpttl",
            "hrandfield",
            "hscan",
            "hset",
            "hsetex",
            "hstrlen",
            "httl",
            "hvals",
        ],
    ),
    (
        "lists",
        &[
            "blmove",
            "blmpop",
            "blpop",
            "brpop",
            "brpoplpush",
            "lindex",
            "linsert",
            "llen",
            "lmove",
            "lmpop",
            "lpop",
            "lpos",
            "lpush",
            "lpushx",
            "lrange",
            "lrem",
            "lset",
            "ltrim",
            "rpop",
            "rpoplpush",
            "rpush",
            "rpushx",
        ],
    ),
    (
        "sets",
        &[
            "sadd",
            "scard",
            "sdiff",
            "sdiffstore",
            "sinter",
            "sintercard",
            "sinterstore",
            "sismember",
            "smembers",
            "smismember",
            "smove",
            "spop",
            "srandmember",
            "srem",
            "sscan",
            "sunion",
            "sunionstore",
        ],
    ),
    (
        "sorted sets",
        &[
            "bzmpop",
            "bzpopmax",
            "bzpopmin",
            "zadd",
            "zcard",
            "zcount",
            "zdiff",
            "zdiffstore",
            "zincrby",
            "zinter",
            "zintercard",
            "zinterstore",
            "zlexcount",
            "zmpop",
            "zmscore",
            "zpopmax",
            "zpopmin",
            "zrandmember",
            "zrange",
            "zrangebylex",
            "zrangebyscore",
            "zrangestore",
            "zrank",
            "zrem",
            "zremrangebylex",
            "zremrangebyrank",
            "zremrangebyscore",
            "zrevrange",
            "zrevrangebylex",
            "zrevrangebyscore",
            "zrevrank",
            "zscan",
            "zscore",
            "zunion",
            "zunionstore",
        ],
    ),
    (
        "streams",
        &[
            "xack",
            "xadd",
            "xautoclaim",
            "xclaim",
            "xdel",
            "xgroup",
            "xinfo",
            "xlen",
            "xpending",
            "xrange",
            "xread",
            "xreadgroup",
            "xrevrange",
            "xsetid",
            "xtrim",
        ],
    ),
    (
        "pub/sub channels",
        &[
            "psubscribe",
            "publish",
            "pubsub",
            "punsubscribe",
            "spublish",
            "ssubscribe",
            "subscribe",
            "sunsubscribe",
            "unsubscribe",
        ],
    ),
    (
        "geographic indexes",
        &[
            "geoadd",
            "geodist",
            "geohash",
            "geopos",
            "georadius",
            "georadius_ro",
            "georadiusbymember",
            "georadiusbymember_ro",
            "geosearch",
            "geosearchstore",
        ],
    ),
    ("HyperLogLogs", &["pfadd", "pfcount", "pfdebug", "pfmerge", "pfselftest"]),
    ("bitmaps", &["bitcount", "bitfield", "bitfield_ro", "bitop", "bitpos", "getbit", "setbit"]),
    (
        "vector sets",
        &[
            "vadd",
            "vcard",
            "vdim",
            "vemb",
            "vgetattr",
            "vinfo",
            "vismember",
            "vlinks",
            "vrandmember",
            "vrem",
            "vsetattr",
            "vsim",
        ],
    ),
    ("writes into the middle of a value", &["setrange"]),
    ("comparisons of values", &["lcs"]),
    ("sorts of lists and sets", &["sort", "sort_ro"]),
    ("renames and copies", &["copy", "rename"]),
    ("moves between databases (there is one, 0)", &["move", "swapdb"]),
    (
        "values in Redis' own serialized form, and moves of them to other servers",
        &["dump", "migrate", "restore", "restore-asking"],
    ),
    ("waits for the disks of other nodes (WAIT waits for the nodes)", &["waitaof"]),
    (
        "Redis' own replication and persistence (nodes gossip, and every write is durable)",
        &[
            "bgrewriteaof",
            "bgsave",
            "failover",
            "lastsave",
            "psync",
            "replconf",
            "replicaof",
            "role",
            "save",
            "slaveof",
            "sync",
        ],
    ),
    (
        "Redis Cluster and Sentinel (every node takes every command, and nodes watch each other)",
        &["asking", "cluster", "readonly", "readwrite", "sentinel"],
    ),
    (
        "Redis' own administration commands",
        &["acl", "debug", "latency", "lolwut", "module", "monitor", "shutdown", "slowlog"],
    ),
];

/// Why a command that is not in the table is refused. Names are told as they came, as in Redis.
pub(crate) fn explain(name: &[u8], args: &mut dyn Iterator<Item = &[u8]>) -> String {
    let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
    if let Some((_, instead)) = NEED_CONSENSUS.iter().find(|(name, _)| *name == lower) {
        return format!("ERR {} {CONSENSUS}{instead}", shown(name));
    }
    if let Some((what, _)) = NOT_HERE.iter().find(|(_, names)| names.contains(&lower.as_str())) {
        return format!(
            "ERR unknown command '{}': {what} are not available in this version of Rumormill; \
             COMMAND LIST has what is",
            shown(name)
        );
    }
    // As Redis says it, and as long as Redis makes it.
    let mut text = format!("ERR unknown command '{}', with args beginning with: ", shown(name));
    let end = text.len() + 128;
    for arg in args {
        if text.len() >= end {
            break;
        }
        let _ = write!(text, "'{}' ", shown(arg));
    }
    text
}

/// Why an option of a command that would make it conditional is refused.
pub(crate) fn conditional(command: &str, option: &str) -> String {
    format!("ERR {command} with {option} {CONSENSUS}{WRITE}")
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..128).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn nothing_is_both_here_and_refused() {
        let refused = NOT_HERE.iter().flat_map(|(_, names)| names.iter());
        for name in refused.chain(NEED_CONSENSUS.iter().map(|(name, _)| name)) {
            assert!(table::find(name.as_bytes()).is_none(), "{name}");
        }
    }

    /// All that Redis 7.0 has.
    const REDIS: &str = "acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop \
        bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client cluster \
        command config copy dbsize debug decr decrby del discard dump echo eval eval_ro \
        evalsha evalsha_ro exec exists expire expireat expiretime failover fcall fcall_ro \
        flushall flushdb function geoadd geodist geohash geopos georadius georadius_ro \
        georadiusbymember georadiusbymember_ro geosearch geosearchstore get getbit getdel \
        getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys \
        hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat \
        info keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos \
        lpush lpushx lrange lrem lset ltrim memory mget migrate module monitor move mset \
        msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount pfdebug \
        pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub punsubscribe \
        quit randomkey readonly readwrite rename renamenx replconf replicaof reset restore \
        restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script sdiff \
        sdiffstore select set setbit setex setnx setrange shutdown sinter sintercard \
        sinterstore sismember slaveof slowlog smembers smismember smove sort sort_ro spop \
        spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion \
        sunionstore sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch \
        wait watch xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread \
        xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter \
        zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange \
        zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank \
        zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore \
        zunion zunionstore";

    #[test]
    fn every_command_of_redis_is_here_or_explained() {
        for name in REDIS.split(' ') {
            let said = explain(name.as_bytes(), &mut std::iter::empty::<&[u8]>());
            let explained = said.contains("consensus") || said.contains("are not available");
            assert!(explained != table::find(name.as_bytes()).is_some(), "{said}");
        }
    }

    #[test]
    fn explanations() {
        let none = || std::iter::empty::<&[u8]>();
        assert!(explain(b"SetNX", &mut none()).starts_with("ERR SetNX needs consensus"));
        assert!(explain(b"LPush", &mut none()).contains("'LPush': lists are not available"));
        assert!(explain(b"SWAPDB", &mut none()).contains("databases (there is one, 0)"));
        assert!(explain(b"asking", &mut none()).contains("Redis Cluster"));
        let args = [&b"a"[..], b"b"];
        assert_eq!(
            explain(b"nope", &mut args.into_iter()),
            "ERR unknown command 'nope', with args beginning with: 'a' 'b' "
        );
    }
}
