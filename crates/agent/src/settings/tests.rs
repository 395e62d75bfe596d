use super::*;
use rumormill_core::spread::Method;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, file).unwrap();
    let flags: Vec<_> = flags
        .iter()
        .map(|&(field, value)| Flag {
            flag: format!("--{field}"),
            field: field.into(),
            value: value.into(),
        })
        .collect();
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    let loaded = Settings::load(Some(&path), &flags, &env);
    loaded.map_err(|error| error.to_string().replace(&path.display().to_string(), "agent.toml"))
}

#[test]
fn without_sources_there_are_defaults() {
    let settings = Settings::load(None, &[], &|_| None).unwrap();
    assert_eq!(settings.gossip, DEFAULT_GOSSIP);
    assert_eq!(settings.redis, Some(DEFAULT_REDIS));
    assert_eq!(settings.http, Some(DEFAULT_HTTP));
    assert_eq!(settings.config, Config::default());
    assert!(!settings.insecure && settings.join.is_empty() && settings.data.is_none());
}

#[test]
fn flags_go_before_environment_before_file() {
    let file = "name = \"file\"\ncluster = \"file\"\nlog = \"warn\"\nhttp = \"off\"\n";
    let env = [("RUMORMILL_NAME", "env"), ("RUMORMILL_CLUSTER", "env")];
    let settings = load(file, &env, &[("name", "flag")]).unwrap();
    assert_eq!(settings.name.as_deref(), Some("flag"));
    assert_eq!(settings.config.cluster, "env");
    assert_eq!(settings.log, "warn");
    assert_eq!(settings.http, None);
}

#[test]
fn what_ends_an_agent_stops_it_unless_a_source_says_leave() {
    let settings = load("", &[], &[]).unwrap();
    assert_eq!(settings.on_terminate, OnTerminate::Stop);
    assert_eq!(settings.leave_timeout, Duration::from_secs(10));
    let leave = "on_terminate = \"leave\"\nleave_timeout = \"1m\"\n";
    let settings = load(leave, &[], &[]).unwrap();
    assert_eq!(settings.on_terminate, OnTerminate::Leave);
    assert_eq!(settings.leave_timeout, Duration::from_secs(60));
    let again = load(&settings.to_toml(), &[], &[]).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{again:?}"));
    let settings = load(leave, &[("RUMORMILL_ON_TERMINATE", "stop")], &[]).unwrap();
    assert_eq!(settings.on_terminate, OnTerminate::Stop);
    let settings = load("", &[], &[("on_terminate", "leave")]).unwrap();
    assert_eq!(settings.on_terminate, OnTerminate::Leave);
}

#[test]
fn protocol_settings_come_from_every_source() {
    let file = "[spread]\nmethod = \"rumor\"\n[spread.tree]\nfanout = 3\n\
                [repair]\ninterval = \"1s\"\n";
    let env = [("RUMORMILL_SPREAD_TREE_FANOUT", "4"), ("RUMORMILL_REPAIR_COMPARE", "full")];
    let settings = load(file, &env, &[("limits.max_value", "1_000")]).unwrap();
    assert_eq!(settings.config.spread.method, Method::Rumor);
    assert_eq!(settings.config.spread.tree.fanout, 4);
    assert_eq!(settings.config.repair.interval, Duration::from_secs(1));
    assert_eq!(settings.config.limits.max_value, 1000);
}

#[test]
fn a_preset_lies_below_single_settings_of_any_source() {
    let file = "[member]\nprobe_timeout = \"7s\"\n";
    let settings = load(file, &[("RUMORMILL_PROTOCOL", "wan")], &[]).unwrap();
    let wan = Config::preset("wan").unwrap();
    assert_eq!(settings.config.member.probe_timeout, Duration::from_secs(7));
    assert_eq!(settings.config.member.probe_interval, wan.member.probe_interval);
    let error = load("protocol = \"moon\"", &[], &[]).unwrap_err();
    assert_eq!(
        error,
        "agent.toml:1: protocol: there is no preset \"moon\"; there are local, lan and wan"
    );
}

#[test]
fn errors_name_source_line_and_field() {
    for (file, expected) in [
        (
            "name = \"a\"\n[spread.tree]\nfanuot = 3\n",
            "agent.toml:3: there is no setting \"spread.tree.fanuot\"; did you mean \"spread.tree.fanout\"?",
        ),
        (
            "\nfanout = 3\n",
            "agent.toml:2: there is no setting \"fanout\"; did you mean \"spread.rumor.fanout\"?",
        ),
        (
            "\n\nzzz = 3\n",
            "agent.toml:3: there is no setting \"zzz\"; `rumormill agent --print-config` lists them all",
        ),
        (
            "redis_password = \"x\"",
            "agent.toml:1: there is no setting \"redis_password\"; secrets have a file of their own, named by redis_password_file, or come from the environment",
        ),
        (
            "[spread.tree]\n\nfanout = \"x\"\n",
            "agent.toml:3: spread.tree.fanout: invalid type: string \"x\", expected usize",
        ),
        ("[spread.tree]\nfanout = 0\n", "agent.toml:2: spread.tree.fanout: 0 is not 1 to 1000"),
        ("spread = 3", "agent.toml:1: spread: is a table; write [spread] above its settings"),
        ("[repair]\ninterval = \"5\"\n", "agent.toml:2: repair.interval: \"5\" is no duration"),
        (
            "gossip = \"localhost:0\"",
            "agent.toml:1: gossip: \"localhost:0\" is no address: write IP:PORT such as",
        ),
        (
            "advertise = \"0.0.0.0:7400\"",
            "agent.toml:1: advertise: nobody can reach a node at 0.0.0.0:7400, every address at once",
        ),
        (
            "advertise = \"224.0.0.1:1\"",
            "agent.toml:1: advertise: nobody can reach a node at 224.0",
        ),
        ("advertise = \"[::]:7400\"", "agent.toml:1: advertise: nobody can reach a node at [::]"),
        ("join = [\"0.0.0.0:7400\"]", "agent.toml:1: join: nobody can be reached at 0.0.0.0:7400"),
        ("http = \"here\"", "agent.toml:1: http: \"here\" is neither an address (IP:PORT"),
        (
            "on_terminate = \"go\"",
            "agent.toml:1: on_terminate: unknown variant `go`, expected `stop` or `leave`",
        ),
        ("leave_timeout = \"0s\"", "agent.toml:1: leave_timeout: 0s is not 1ms to 10m"),
        ("leave_timeout = \"11m\"", "agent.toml:1: leave_timeout: 11m is not 1ms to 10m"),
        ("name = \"\"", "agent.toml:1: name: \"\" is no name"),
        ("name = 5", "agent.toml:1: name: invalid type: integer `5`, expected a string"),
        (
            "join = [\"a:1\",\n\"b\"]",
            "agent.toml:1: join: \"b\" is no address to join by; write \"host:port\"",
        ),
        ("http_hosts = [\"http://a\"]", "agent.toml:1: http_hosts: \"http://a\" is no host name"),
        ("a\n= [", "agent.toml:1: not TOML: "),
        ("name = \"a\"\nname = \"b\"\n", "agent.toml:2: not TOML: duplicate key"),
    ] {
        let error = load(file, &[], &[]).unwrap_err();
        assert!(error.starts_with(expected), "{file:?}\n  gave {error:?}\n  not {expected:?}");
    }
    let error = load("", &[("RUMORMILL_SPREAD_TREE_FANOUT", "9999")], &[]).unwrap_err();
    assert_eq!(error, "RUMORMILL_SPREAD_TREE_FANOUT: 9999 is not 1 to 1000");
    let error = load("", &[], &[("insecure", "maybe")]).unwrap_err();
    assert_eq!(error, "--insecure: \"maybe\" is neither true nor false");
}

#[test]
fn an_unreadable_file_is_named() {
    let error = Settings::load(Some(Path::new("/nonexistent/a.toml")), &[], &|_| None).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("cannot read the configuration /nonexistent/a.toml: "), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("binary.toml");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let named = |name: &str| (name == "RUMORMILL_CONFIG").then(|| path.clone().into_os_string());
    let error = Settings::load(None, &[], &named).unwrap_err().to_string();
    assert!(error.ends_with("it is not UTF-8 text"), "{error}");
}

#[test]
fn secrets_come_from_files_and_environment_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "from-file\n").unwrap();
    let file = format!("redis_password_file = {:?}\nhttp_token_file = {path:?}", path.display());
    let settings = load(&file, &[("RUMORMILL_HTTP_TOKEN", "from-env")], &[]).unwrap();
    assert_eq!(settings.redis_password.as_ref().unwrap().expose(), "from-file");
    assert_eq!(settings.http_token.as_ref().unwrap().expose(), "from-env");
    let shown = format!("{settings:?}{}", settings.to_toml());
    assert!(!shown.contains("from-file") && !shown.contains("from-env"), "{shown}");

    std::fs::write(&path, "\n").unwrap();
    let error = load(&file, &[], &[]).unwrap_err();
    assert!(error.starts_with("agent.toml:1: redis_password_file: "), "{error}");
    assert!(error.ends_with("the secret is empty"), "{error}");
    // A secret has no flag.
    let error = load("", &[], &[("http_token", "x")]).unwrap_err();
    assert!(error.starts_with("--http_token: there is no setting"), "{error}");
}

#[test]
fn printed_settings_read_back_the_same() {
    let file = "name = \"a\"\nhttp = \"off\"\njoin = [\"b:1\"]\nprotocol = \"wan\"\ndata = \"/d\"";
    let settings = load(file, &[], &[]).unwrap();
    let again = load(&settings.to_toml(), &[], &[]).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{again:?}"));
}

#[test]
fn every_setting_has_its_own_variable() {
    let mut variables: Vec<_> = names().iter().map(|name| env_name(name)).collect();
    let all = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), all);
}
