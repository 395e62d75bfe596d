//! The documents say what the program does: commands, flags, settings and their defaults, metrics,
//! Redis commands, routes and links are compared with the real thing.

use super::papers::Authority;
use super::process::{Agent, run};
use rumormill::settings::names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document for people, by its path.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs/"] {
        for file in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    found
}

/// What a reader would type: the lines of `sh` blocks, those after a `$` in `console` blocks, and
/// the spans of code in running text.
fn commands(document: &str) -> Vec<String> {
    let (mut found, mut block) = (Vec::new(), None::<String>);
    for line in document.replace("\\\n", " ").lines() {
        match (block.as_deref(), line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind.into()),
            (Some(_), Some(_)) => block = None,
            (Some("sh"), None) => found.push(line.into()),
            (Some("console"), None) => found.extend(line.strip_prefix("$ ").map(str::to_owned)),
            (Some(_), None) => {}
            (None, None) => found.extend(spans(line).into_iter().map(str::to_owned)),
        }
    }
    found
}

/// The arguments of every call of the program in a command line.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.replace("cargo run --release -- ", "rumormill ");
    let call = |part: &str| {
        let mut words = part.split_whitespace().map(str::to_owned);
        (words.next()? == "rumormill").then(|| words.collect::<Vec<_>>())
    };
    // The bare name is no call.
    line.split('|').filter_map(call).filter(|call| !call.is_empty()).collect()
}

#[test]
fn commands_and_flags_exist() {
    let mut seen = 0;
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for name in documents() {
        for line in commands(&read(&name)) {
            for call in calls(&line) {
                let deep = ["bench", "sim", "repair", "strays"].contains(&call[0].as_str());
                let depth = call.len().min(if deep { 2 } else { 1 });
                let help = helps.entry(call[..depth].to_vec()).or_insert_with_key(|path| {
                    let path = path.iter().map(String::as_str).chain(["--help"]);
                    run(&path.collect::<Vec<_>>()).good().text()
                });
                let known: Vec<&str> =
                    help.split(|c: char| c.is_whitespace() || c == ',').collect();
                for word in call.iter().filter(|word| word.starts_with("--")) {
                    assert!(known.contains(&word.as_str()), "{name}: no {word}: {line}");
                    seen += 1;
                }
                for pair in call.windows(2).filter(|pair| pair[0] == "--set") {
                    let setting = pair[1].split('=').next().unwrap_or_default();
                    assert!(names().iter().any(|name| name == setting), "{name}: {line}");
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} flags were found: are the documents read?");
}

/// The rows of a document's tables below a heading, without emphasis.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let lines = document.lines().skip_while(|line| *line != heading).skip(1);
    let section = lines.take_while(|line| !line.starts_with("## "));
    let rows = section.filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').skip(1).map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Settings and what they are by default, as `--print-config` shows them.
fn defaults() -> BTreeMap<String, String> {
    let (mut found, mut table) = (BTreeMap::new(), String::new());
    for line in run(&["agent", "--print-config"]).good().text().lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, value)) = line.split_once(" = ") {
            found.insert(format!("{table}{name}"), value.trim_matches('"').to_owned());
        }
    }
    found
}

#[test]
fn settings_are_all_there_with_their_defaults() {
    let defaults = defaults();
    let check = |file: &str, heading: &str| -> BTreeSet<String> {
        let mut listed = BTreeSet::new();
        for row in rows(&read(file), heading) {
            let name = spans(&row[0])[0].to_owned();
            assert!(names().contains(&name), "{file}: there is no setting {name}");
            match defaults.get(&name).map(String::as_str) {
                None | Some("[]") => {}
                Some(value) => assert_eq!(row[1].trim_matches('`'), value, "{file}: {name}"),
            }
            listed.insert(name);
        }
        listed
    };
    assert!(check("README.md", "## Configuration").len() > 10);
    let all = check("docs/operations.md", "## Every setting");
    assert_eq!(all, names().into_iter().collect(), "left: docs/operations.md, right: the program");
}

/// The rows of the table of ideas: idea, where it is in the real protocol, and in the simulator.
fn ideas(page: &str) -> Vec<[String; 3]> {
    let lines = page.lines().skip_while(|line| *line != "## Where each idea lives");
    let rows = lines.filter(|line| line.starts_with("| ")).skip(1);
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = rows.map(|row| match cells(row).as_slice() {
        [idea, _, real, simulated] => [idea.clone(), real.clone(), simulated.clone()],
        _ => panic!("no row of four cells: {row}"),
    });
    rows.collect()
}

/// A method or setting that is there is told of, with the file that it is in, and nothing that is
/// there is called absent.
#[test]
fn the_table_of_ideas_says_what_is_there() {
    let page = read("docs/epidemics.md");
    let ideas = ideas(&page);
    assert!(ideas.len() > 20, "only {} rows: is the table read?", ideas.len());
    let settings = names();
    let help = run(&["sim", "epidemic", "--help"]).good().text();
    for [idea, real, simulated] in &ideas {
        for span in spans(real) {
            assert!(settings.iter().any(|name| name == span), "{idea}: no setting {span}");
        }
        for span in spans(simulated) {
            let known = help.split(|c: char| !c.is_alphanumeric() && c != '-');
            let known: BTreeSet<&str> = known.collect();
            assert!(known.contains(span), "{idea}: sim epidemic has no {span}");
        }
        // What it is in is there; that the files are, the test of links has seen.
        let absent = real.starts_with("not there");
        assert_eq!(absent, !real.is_empty() && !real.contains("](../crates/core/src/"), "{idea}");
    }
    // Every way to spread and to compare, and the pass that proves, by the file that does it.
    for (setting, value, file) in [
        ("spread.method", "tree", "spread/tree.rs"),
        ("spread.method", "rumor", "spread/rumor.rs"),
        ("spread.method", "direct-mail", "spread/mail.rs"),
        ("spread.method", "none", "spread/entropy.rs"),
        ("repair.compare", "sketch", "reconcile/sketch.rs"),
        ("repair.compare", "checksum", "reconcile/checksum.rs"),
        ("repair.compare", "full", "reconcile/full.rs"),
        ("ring.interval", "1h", "spread/ring.rs"),
    ] {
        run(&["agent", "--print-config", "--set", &format!("{setting}={value}")]).good();
        let named = ideas.iter().filter(|[_, real, _]| real.contains(file)).count();
        assert!(named > 0, "{setting} = {value}: {file} is in no row");
    }
    assert!(!page.contains("has no ring"), "there is ring repair");
}

fn fetch(agent: &Agent, path: &str) -> String {
    let mut answer = ureq::get(format!("http://{}{path}", agent.http)).call().unwrap();
    answer.body_mut().read_to_string().unwrap()
}

#[test]
fn metrics_routes_and_redis_commands_exist() {
    let folder = tempfile::tempdir().unwrap();
    let own = Authority::new(folder.path(), "ours").sign("server", &["localhost"]);
    let sealed = Agent::start(&[
        "--set",
        &format!("tls.redis.cert={}", own.cert()),
        "--set",
        &format!("tls.redis.key={}", own.key()),
    ]);
    let sealed = fetch(&sealed, "/metrics");
    let agent = Agent::start(&[]);
    // The first answer is itself counted in the second.
    let metrics = fetch(&agent, "/metrics") + &fetch(&agent, "/metrics") + &sealed;
    let metrics: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.split([' ', '{']).next())
        .filter(|name| name.starts_with("rumormill_"))
        .collect();
    for name in documents() {
        let document = read(&name);
        for span in document.lines().flat_map(spans).filter(|span| span.starts_with("rumormill_")) {
            assert!(metrics.contains(span), "{name}: there is no metric {span}");
        }
    }

    let http = read("docs/http.md");
    let routes: serde_json::Value = serde_json::from_str(&fetch(&agent, "/v1")).unwrap();
    for route in routes["routes"].as_array().unwrap() {
        let path = route["path"].as_str().unwrap();
        let methods = route["methods"].as_str().unwrap();
        for method in methods.split(", ").filter(|_| path != "/v1/kv/") {
            let all = method == "HEAD" && path != "/v1/kv/{key}";
            assert!(all || http.contains(&format!("`{method} {path}`")), "{method} {path}");
        }
    }

    let redis = agent.hello["redis"].as_str().unwrap();
    let mut redis =
        redis::Client::open(format!("redis://{redis}")).unwrap().get_connection().unwrap();
    let mut list: BTreeSet<String> = redis::cmd("COMMAND").arg("LIST").query(&mut redis).unwrap();
    list.retain(|name| !name.contains('|'));
    let rows = rows(&read("docs/redis.md"), "## Commands");
    let listed = rows.iter().flat_map(|row| spans(&row[0])).map(str::to_lowercase).collect();
    assert_eq!(list, listed, "left: the program, right: docs/redis.md");
}

#[test]
fn links_lead_somewhere() {
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    for name in documents() {
        let document = read(&name);
        let folder = Path::new(&name).parent().unwrap();
        for link in document.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name.clone().into() } else { folder.join(file) };
            assert!(root().join(&file).exists(), "{name}: there is no {link}");
            if !anchor.is_empty() {
                let target = read(file.to_str().unwrap());
                let found =
                    target.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
                assert!(found, "{name}: there is no heading {link}");
            }
        }
    }
}
