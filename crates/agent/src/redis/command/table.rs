//! The one table of commands: names, arities, flags, where the keys are, and words for `COMMAND`.

/// A command's handler, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[allow(clippy::enum_variant_names, reason = "CLIENT ID is a command's name")]
pub(crate) enum Id {
    Append,
    Auth,
    Client,
    ClientGetname,
    ClientHelp,
    ClientId,
    ClientInfo,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientReply,
    ClientSetinfo,
    ClientSetname,
    Command,
    CommandCount,
    CommandDocs,
    CommandGetkeys,
    CommandHelp,
    CommandInfo,
    CommandList,
    Config,
    ConfigGet,
    ConfigHelp,
    ConfigResetstat,
    ConfigRewrite,
    ConfigSet,
    Dbsize,
    Del,
    Echo,
    Exists,
    Expire,
    Expireat,
    Expiretime,
    Flushall,
    Flushdb,
    Get,
    Getdel,
    Getex,
    Getrange,
    Getset,
    Hello,
    Info,
    Keys,
    Memory,
    MemoryHelp,
    MemoryUsage,
    Mget,
    Mset,
    Object,
    ObjectEncoding,
    ObjectHelp,
    ObjectRefcount,
    Persist,
    Pexpire,
    Pexpireat,
    Pexpiretime,
    Ping,
    Psetex,
    Pttl,
    Quit,
    Randomkey,
    Reset,
    Scan,
    Select,
    Set,
    Setex,
    Strlen,
    Time,
    Touch,
    Ttl,
    Type,
    Unlink,
    Wait,
}

/// Properties of commands, as bits.
pub(crate) mod flag {
    /// Changes data.
    pub const WRITE: u16 = 1;
    /// Reads data.
    pub const READ: u16 = 2;
    /// Constant or logarithmic time.
    pub const FAST: u16 = 4;
    /// Allowed before the password.
    pub const NO_AUTH: u16 = 8;
    /// Only queues operations: may share a batch with the writes before it.
    pub const QUEUES: u16 = 16;
    /// Dangerous in Redis' classes: slow over all keys, or destructive.
    pub const DANGEROUS: u16 = 32;
    /// About the connection.
    pub const CONNECTION: u16 = 64;
    /// For administrators.
    pub const ADMIN: u16 = 128;
    /// May need memory for a value.
    pub const DENYOOM: u16 = 256;
    /// Not for scripts, where there are any.
    pub const NOSCRIPT: u16 = 512;
    /// Allowed while the node is loading, whatever it holds.
    pub const LOADING: u16 = 1024;
    /// May wait.
    pub const BLOCKING: u16 = 2048;
    /// About all keys, though its group is another.
    pub const KEYSPACE: u16 = 4096;
}
use flag::{
    ADMIN, BLOCKING, CONNECTION, DANGEROUS, DENYOOM, FAST, KEYSPACE, LOADING, NO_AUTH, NOSCRIPT,
    QUEUES, READ, WRITE,
};

/// Where a command's keys are: first index, last index (negative from the end), step.
pub(crate) type Keys = (i8, i8, i8);
const NONE: Keys = (0, 0, 0);
const ONE: Keys = (1, 1, 1);
const ALL: Keys = (1, -1, 1);

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// Lower case; subcommands as `client|id`.
    pub name: &'static str,
    pub id: Id,
    /// Arguments, the name included; negative: at least as many.
    pub arity: i8,
    pub flags: u16,
    pub keys: Keys,
    /// What is done with the keys, in the words of `COMMAND INFO`.
    pub access: &'static str,
    /// How its arguments are written; see [`synopsis`](super::synopsis).
    pub synopsis: &'static str,
    /// Hints for those who send commands to many servers.
    pub tips: &'static str,
    pub group: &'static str,
    pub since: &'static str,
    pub summary: &'static str,
    pub subcommands: &'static [Command],
}

impl Command {
    /// True if the command may have this many arguments, its name included.
    pub(crate) fn takes(&self, args: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { args >= arity } else { args == arity }
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The subcommand of a container, whatever the case.
    pub(crate) fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        self.subcommands.iter().find(|sub| {
            let own = sub.name.split_once('|').map_or(sub.name, |(_, own)| own);
            own.as_bytes().eq_ignore_ascii_case(name)
        })
    }

    /// Flags as `COMMAND` names them.
    pub(crate) fn flag_names(&self) -> Vec<&'static str> {
        self.names(&[
            (WRITE, "write"),
            (READ, "readonly"),
            (DENYOOM, "denyoom"),
            (ADMIN, "admin"),
            (NOSCRIPT, "noscript"),
            (BLOCKING, "blocking"),
            (LOADING, "loading"),
            (LOADING, "stale"),
            (FAST, "fast"),
            (NO_AUTH, "no_auth"),
            (NO_AUTH, "allow_busy"),
        ])
    }

    /// Access-control categories as `COMMAND` names them.
    pub(crate) fn categories(&self) -> Vec<&'static str> {
        // What waits for others, and a container, is about no key.
        let about_keys = self.group == GE && !self.has(CONNECTION) && self.subcommands.is_empty();
        let mut names = Vec::new();
        if about_keys || self.has(KEYSPACE) {
            names.push("@keyspace");
        }
        names.extend(self.names(&[(READ, "@read"), (WRITE, "@write")]));
        if self.group == ST {
            names.push("@string");
        }
        names.extend(self.names(&[(ADMIN, "@admin")]));
        names.push(if self.has(FAST) { "@fast" } else { "@slow" });
        names.extend(self.names(&[
            (BLOCKING, "@blocking"),
            (DANGEROUS | ADMIN, "@dangerous"),
            (CONNECTION, "@connection"),
        ]));
        names
    }

    fn names(&self, all: &[(u16, &'static str)]) -> Vec<&'static str> {
        all.iter().filter(|(bits, _)| self.has(*bits)).map(|(_, name)| *name).collect()
    }
}

/// Longest name in the table.
const MAX_NAME: usize = 16;

/// Looks a command up by its name, whatever the case.
pub(crate) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0_u8; MAX_NAME];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let at = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(lower)).ok()?;
    COMMANDS.get(at)
}

/// Looks a command or subcommand up by the number of its [`Id`].
pub(crate) fn by_number(number: u16) -> Option<&'static Command> {
    let all =
        COMMANDS.iter().flat_map(|command| std::iter::once(command).chain(command.subcommands));
    all.into_iter().find(|command| command.id as u16 == number)
}

#[expect(clippy::too_many_arguments, reason = "a row of the table")]
const fn command(
    name: &'static str,
    id: Id,
    arity: i8,
    flags: u16,
    keys: Keys,
    access: &'static str,
    synopsis: &'static str,
    tips: &'static str,
    about: (&'static str, &'static str, &'static str),
) -> Command {
    let (group, since, summary) = about;
    let subcommands = &[];
    Command {
        name,
        id,
        arity,
        flags,
        keys,
        access,
        synopsis,
        tips,
        group,
        since,
        summary,
        subcommands,
    }
}

const fn container(
    name: &'static str,
    id: Id,
    arity: i8,
    flags: u16,
    about: (&'static str, &'static str, &'static str),
    subcommands: &'static [Command],
) -> Command {
    Command { subcommands, ..command(name, id, arity, flags, NONE, "", "", "", about) }
}

use Id::*;

const CN: &str = "connection";
const GE: &str = "generic";
const ST: &str = "string";
const SV: &str = "server";
const QW: u16 = WRITE | QUEUES;
/// Allowed at any time, but not to scripts.
const SAFE: u16 = NOSCRIPT | LOADING;

/// Every command, in the order of the names.
#[rustfmt::skip]
pub(crate) static COMMANDS: &[Command] = &[
    command("append", Append, 3, QW | DENYOOM | FAST, ONE, "RW insert", "key value", "", (ST, "2.0.0", "Appends bytes to the value of a key. Creates the key if it doesn't exist.")),
    command("auth", Auth, -2, SAFE | FAST | NO_AUTH | CONNECTION, NONE, "", "[username] password", "", (CN, "1.0.0", "Authenticates the connection.")),
    container("client", Client, -2, 0, (CN, "2.4.0", "A container for client connection commands."), CLIENT),
    container("command", Id::Command, -1, LOADING | CONNECTION, (SV, "2.8.13", "Returns detailed information about all commands."), COMMAND),
    container("config", Config, -2, 0, (SV, "2.0.0", "A container for server configuration commands."), CONFIG),
    command("dbsize", Dbsize, 1, READ | FAST | KEYSPACE, NONE, "", "", "", (SV, "1.0.0", "Returns the number of keys.")),
    command("del", Del, -2, QW, ALL, "RM delete", "key...", "", (GE, "1.0.0", "Deletes one or more keys.")),
    command("echo", Echo, 2, LOADING | FAST | CONNECTION, NONE, "", "message", "", (CN, "1.0.0", "Returns the given string.")),
    command("exists", Exists, -2, READ | FAST, ALL, "RO", "key...", "", (GE, "1.0.0", "Determines whether one or more keys exist.")),
    command("expire", Expire, -3, QW | FAST, ONE, "RW update", "key seconds", "", (GE, "1.0.0", "Sets the expiration time of a key in seconds.")),
    command("expireat", Expireat, -3, QW | FAST, ONE, "RW update", "key unix-time-seconds", "", (GE, "1.2.0", "Sets the expiration time of a key to a Unix timestamp.")),
    command("expiretime", Expiretime, 2, READ | FAST, ONE, "RO access", "key", "", (GE, "7.0.0", "Returns the expiration time of a key as a Unix timestamp.")),
    command("flushall", Flushall, -1, WRITE | DANGEROUS | KEYSPACE, NONE, "", "[ASYNC|SYNC]", "", (SV, "1.0.0", "Deletes all keys, here and on every other node.")),
    command("flushdb", Flushdb, -1, WRITE | DANGEROUS | KEYSPACE, NONE, "", "[ASYNC|SYNC]", "", (SV, "1.0.0", "Deletes all keys, here and on every other node.")),
    command("get", Get, 2, READ | FAST, ONE, "RO access", "key", "", (ST, "1.0.0", "Returns the string value of a key.")),
    command("getdel", Getdel, 2, QW | FAST, ONE, "RW access delete", "key", "", (ST, "6.2.0", "Returns the string value of a key after deleting the key.")),
    command("getex", Getex, -2, WRITE | FAST, ONE, "RW access update", "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]", "", (ST, "6.2.0", "Returns the string value of a key after setting its expiration time.")),
    command("getrange", Getrange, 4, READ, ONE, "RO access", "key start end", "", (ST, "2.4.0", "Returns a substring of the string stored at a key.")),
    command("getset", Getset, 3, QW | DENYOOM | FAST, ONE, "RW access update", "key value", "", (ST, "1.0.0", "Returns the previous string value of a key after setting it to a new value.")),
    command("hello", Hello, -1, SAFE | FAST | NO_AUTH | CONNECTION, NONE, "", "[protover [AUTH username password] [SETNAME clientname]]", "", (CN, "6.0.0", "Handshakes with the server.")),
    command("info", Info, -1, LOADING | DANGEROUS, NONE, "", "[section...]", "nondeterministic_output", (SV, "1.0.0", "Returns information and statistics about the server.")),
    command("keys", Keys, 2, READ | DANGEROUS, NONE, "", "pattern", "nondeterministic_output_order", (GE, "1.0.0", "Returns all key names that match a pattern.")),
    container("memory", Memory, -2, 0, (SV, "4.0.0", "A container for memory diagnostics commands."), MEMORY),
    command("mget", Mget, -2, READ | FAST, ALL, "RO access", "key...", "", (ST, "1.0.0", "Returns the string values of one or more keys.")),
    command("mset", Mset, -3, QW | DENYOOM, (1, -1, 2), "OW update", "(key value)...", "", (ST, "1.0.1", "Sets the string values of one or more keys.")),
    container("object", Object, -2, 0, (GE, "2.2.3", "A container for object introspection commands."), OBJECT),
    command("persist", Persist, 2, WRITE | FAST, ONE, "RW update", "key", "", (GE, "2.2.0", "Removes the expiration time of a key.")),
    command("pexpire", Pexpire, -3, QW | FAST, ONE, "RW update", "key milliseconds", "", (GE, "2.6.0", "Sets the expiration time of a key in milliseconds.")),
    command("pexpireat", Pexpireat, -3, QW | FAST, ONE, "RW update", "key unix-time-milliseconds", "", (GE, "2.6.0", "Sets the expiration time of a key to a Unix milliseconds timestamp.")),
    command("pexpiretime", Pexpiretime, 2, READ | FAST, ONE, "RO access", "key", "", (GE, "7.0.0", "Returns the expiration time of a key as a Unix milliseconds timestamp.")),
    command("ping", Ping, -1, FAST | CONNECTION, NONE, "", "[message]", "", (CN, "1.0.0", "Returns the server's liveliness response.")),
    command("psetex", Psetex, 4, QW | DENYOOM, ONE, "OW update", "key milliseconds value", "", (ST, "2.6.0", "Sets both string value and expiration time in milliseconds of a key.")),
    command("pttl", Pttl, 2, READ | FAST, ONE, "RO access", "key", "nondeterministic_output", (GE, "2.6.0", "Returns the expiration time in milliseconds of a key.")),
    command("quit", Quit, -1, SAFE | FAST | NO_AUTH | CONNECTION, NONE, "", "", "", (CN, "1.0.0", "Closes the connection.")),
    command("randomkey", Randomkey, 1, READ, NONE, "", "", "nondeterministic_output", (GE, "1.0.0", "Returns a random key name.")),
    command("reset", Reset, 1, SAFE | FAST | NO_AUTH | CONNECTION, NONE, "", "", "", (CN, "6.2.0", "Resets the connection.")),
    command("scan", Scan, -2, READ, NONE, "", "cursor [MATCH pattern] [COUNT count] [TYPE type]", "nondeterministic_output", (GE, "2.8.0", "Iterates over the key names.")),
    command("select", Select, 2, LOADING | FAST | CONNECTION, NONE, "", "index", "", (CN, "1.0.0", "Changes the selected database; there is one, 0.")),
    command("set", Set, -3, QW | DENYOOM, ONE, "RW access update variable_flags", "key value [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] [OWNED]", "", (ST, "1.0.0", "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.")),
    command("setex", Setex, 4, QW | DENYOOM, ONE, "OW update", "key seconds value", "", (ST, "2.0.0", "Sets the string value and expiration time of a key.")),
    command("strlen", Strlen, 2, READ | FAST, ONE, "RO", "key", "", (ST, "2.2.0", "Returns the length of a string value.")),
    command("substr", Getrange, 4, READ, ONE, "RO access", "key start end", "", (ST, "1.0.0", "Returns a substring of the string stored at a key.")),
    command("time", Time, 1, LOADING | FAST, NONE, "", "", "nondeterministic_output", (SV, "2.6.0", "Returns the server time.")),
    command("touch", Touch, -2, READ | FAST, ALL, "RO", "key...", "", (GE, "3.2.1", "Returns the number of existing keys out of those specified.")),
    command("ttl", Ttl, 2, READ | FAST, ONE, "RO access", "key", "nondeterministic_output", (GE, "1.0.0", "Returns the expiration time in seconds of a key.")),
    command("type", Type, 2, READ | FAST, ONE, "RO", "key", "", (GE, "1.0.0", "Determines the type of value stored at a key.")),
    command("unlink", Unlink, -2, QW | FAST, ALL, "RM delete", "key...", "", (GE, "4.0.0", "Deletes one or more keys.")),
    command("wait", Wait, 3, BLOCKING | CONNECTION, NONE, "", "numreplicas timeout", "", (GE, "3.0.0", "Waits until so many other nodes hold all writes of the connection.")),
];

#[rustfmt::skip]
static CLIENT: &[Command] = &[
    command("client|getname", ClientGetname, 2, SAFE | CONNECTION, NONE, "", "", "", (CN, "2.6.9", "Returns the name of the connection.")),
    command("client|help", ClientHelp, 2, LOADING | CONNECTION, NONE, "", "", "", (CN, "5.0.0", "Returns helpful text about the subcommands.")),
    command("client|id", ClientId, 2, SAFE | CONNECTION, NONE, "", "", "", (CN, "5.0.0", "Returns the unique client ID of the connection.")),
    command("client|info", ClientInfo, 2, SAFE | CONNECTION, NONE, "", "", "nondeterministic_output", (CN, "6.2.0", "Returns information about the connection.")),
    command("client|list", ClientList, -2, ADMIN | SAFE | CONNECTION, NONE, "", "[(TYPE (NORMAL|MASTER|REPLICA|PUBSUB))|ID client-id...]", "nondeterministic_output", (CN, "2.4.0", "Lists open connections.")),
    command("client|no-evict", ClientNoEvict, 3, ADMIN | SAFE | CONNECTION, NONE, "", "(ON|OFF)", "", (CN, "7.0.0", "Accepted and ignored: clients are not evicted.")),
    command("client|no-touch", ClientNoTouch, 3, SAFE | CONNECTION, NONE, "", "(ON|OFF)", "", (CN, "7.2.0", "Accepted and ignored: reads leave no trace.")),
    command("client|reply", ClientReply, 3, SAFE | CONNECTION, NONE, "", "(ON|OFF|SKIP)", "", (CN, "3.2.0", "Instructs the server whether to reply to commands.")),
    command("client|setinfo", ClientSetinfo, 4, SAFE | CONNECTION, NONE, "", "(LIB-NAME libname|LIB-VER libver)", "", (CN, "7.2.0", "Sets information specific to the client or connection.")),
    command("client|setname", ClientSetname, 3, SAFE | CONNECTION, NONE, "", "connection-name", "", (CN, "2.6.9", "Sets the connection name.")),
];

#[rustfmt::skip]
static COMMAND: &[Command] = &[
    command("command|count", CommandCount, 2, LOADING | CONNECTION, NONE, "", "", "", (SV, "2.8.13", "Returns a count of commands.")),
    command("command|docs", CommandDocs, -2, LOADING | CONNECTION, NONE, "", "[command-name...]", "nondeterministic_output_order", (SV, "7.0.0", "Returns documentary information about commands.")),
    command("command|getkeys", CommandGetkeys, -3, LOADING | CONNECTION, NONE, "", "command [arg...]", "", (SV, "2.8.13", "Extracts the key names from an arbitrary command.")),
    command("command|help", CommandHelp, 2, LOADING | CONNECTION, NONE, "", "", "", (SV, "5.0.0", "Returns helpful text about the subcommands.")),
    command("command|info", CommandInfo, -2, LOADING | CONNECTION, NONE, "", "[command-name...]", "nondeterministic_output_order", (SV, "2.8.13", "Returns information about one, multiple or all commands.")),
    command("command|list", CommandList, -2, LOADING | CONNECTION, NONE, "", "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]", "nondeterministic_output_order", (SV, "7.0.0", "Returns a list of command names.")),
];

#[rustfmt::skip]
static CONFIG: &[Command] = &[
    command("config|get", ConfigGet, -3, ADMIN | SAFE, NONE, "", "parameter...", "", (SV, "2.0.0", "Returns the effective values of configuration parameters.")),
    command("config|help", ConfigHelp, 2, LOADING, NONE, "", "", "", (SV, "5.0.0", "Returns helpful text about the subcommands.")),
    command("config|resetstat", ConfigResetstat, 2, ADMIN | SAFE, NONE, "", "", "", (SV, "2.0.0", "Refused: counters only grow.")),
    command("config|rewrite", ConfigRewrite, 2, ADMIN | SAFE, NONE, "", "", "", (SV, "2.8.0", "Refused: settings are in the agent's own file.")),
    command("config|set", ConfigSet, -4, ADMIN | SAFE, NONE, "", "(parameter value)...", "", (SV, "2.0.0", "Refused: settings are in the agent's own file.")),
];

#[rustfmt::skip]
static MEMORY: &[Command] = &[
    command("memory|help", MemoryHelp, 2, LOADING, NONE, "", "", "", (SV, "4.0.0", "Returns helpful text about the subcommands.")),
    command("memory|usage", MemoryUsage, -3, READ, (2, 2, 1), "RO", "key [SAMPLES count]", "", (SV, "4.0.0", "Estimates the memory usage of a key.")),
];

#[rustfmt::skip]
static OBJECT: &[Command] = &[
    command("object|encoding", ObjectEncoding, 3, READ, (2, 2, 1), "RO", "key", "nondeterministic_output", (GE, "2.2.3", "Returns the internal encoding of a value.")),
    command("object|help", ObjectHelp, 2, LOADING, NONE, "", "", "", (GE, "6.2.0", "Returns helpful text about the subcommands.")),
    command("object|refcount", ObjectRefcount, 3, READ, (2, 2, 1), "RO", "key", "nondeterministic_output", (GE, "2.2.3", "Returns the reference count of a value.")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_short_enough() {
        for pair in COMMANDS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
        for command in COMMANDS {
            assert!(command.name.len() <= MAX_NAME);
            assert_eq!(find(command.name.to_uppercase().as_bytes()).unwrap().name, command.name);
            for sub in command.subcommands {
                let (container, own) = sub.name.split_once('|').unwrap();
                assert_eq!(container, command.name);
                assert_eq!(command.subcommand(own.as_bytes()).unwrap().id, sub.id);
            }
        }
        assert!(find(b"").is_none());
        assert!(find(&[b'a'; 1000]).is_none());
    }

    #[test]
    fn arities() {
        let get = find(b"get").unwrap();
        assert!(get.takes(2) && !get.takes(1) && !get.takes(3));
        let del = find(b"del").unwrap();
        assert!(del.takes(2) && del.takes(900) && !del.takes(1));
        assert_eq!(by_number(Id::ClientId as u16).unwrap().name, "client|id");
        assert!(by_number(u16::MAX).is_none());
    }
}
