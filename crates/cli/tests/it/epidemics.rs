//! docs/epidemics.md is what the program does: every command on the page is run, what the page
//! shows is compared with what comes out, and every figure is drawn again.

use super::process::{Run, rumormill};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/epidemics.md")).unwrap()
}

/// A command on the page, and what is shown below it. Where lines are left out stands `...`.
struct Example {
    line: String,
    shown: Vec<String>,
}

/// The examples in the blocks of this kind.
fn examples(page: &str, kind: &str) -> Vec<Example> {
    let page = page.replace("\\\n", " ");
    let mut found: Vec<Example> = Vec::new();
    let mut block = None;
    for line in page.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(_), Some(_)) => block = None,
            (Some(inside), None) if inside == kind => {
                let line = line.trim();
                let command = if kind == "sh" { Some(line) } else { line.strip_prefix("$ ") };
                match (command, found.last_mut()) {
                    (Some(line), _) => found.push(Example { line: line.into(), shown: vec![] }),
                    (None, Some(example)) => example.shown.push(line.into()),
                    (None, None) => panic!("{line}: a console block begins with a command"),
                }
            }
            _ => {}
        }
    }
    found
}

fn run(line: &str, folder: &Path) -> Run {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"rumormill"), "{line}");
    rumormill(&words[1..]).current_dir(folder).output().unwrap().into()
}

/// A terminal gets columns and capitals, a pipe gets tabs: the words are the same.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// True if the lines (or words) are those that are shown, `gap` standing for any number of them.
pub fn matches(shown: &[String], lines: &[String], gap: &str) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == gap => {
            (0..=lines.len()).any(|left_out| matches(rest, &lines[left_out..], gap))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| line == first && matches(rest, lines, gap)),
    }
}

#[test]
fn the_page_shows_what_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let examples = examples(&page(), "console");
    assert!(examples.len() >= 15, "only {} examples were found", examples.len());
    for Example { line, shown } in examples {
        let run = run(&line, folder.path());
        // An error is shown where the example is to show one.
        let fails = shown.iter().any(|line| line.starts_with("error: "));
        assert_eq!(run.code, i32::from(fails), "{line}: {}", run.stderr);
        let text = if fails { run.text() + &run.stderr } else { run.text() };
        let given: Vec<String> = text.lines().map(words).collect();
        let shown: Vec<String> = shown.iter().map(|line| words(line)).collect();
        assert!(!shown.is_empty(), "{line}: nothing is shown");
        assert!(
            matches(&shown, &given, "..."),
            "{line}\nthe page:\n{shown:#?}\nthe program:\n{given:#?}"
        );
    }
}

#[test]
fn the_figures_are_those_of_the_commands_below_them() {
    let page = page();
    let shown: Vec<&str> = page
        .split("](figures/")
        .skip(1)
        .map(|rest| rest.split_once(')').expect("a link ends").0)
        .collect();
    let examples = examples(&page, "sh");
    assert_eq!(shown.len(), examples.len(), "each figure has its command, and only figures have");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("docs/figures")).unwrap();
    for (name, Example { line, .. }) in shown.iter().zip(&examples) {
        let path = format!("docs/figures/{name}");
        assert!(line.ends_with(&format!("--plot {path}")), "the command below {name}: {line}");
        run(line, folder.path()).good();
        let drawn = std::fs::read(folder.path().join(&path)).unwrap();
        let committed = std::fs::read(root().join(&path)).unwrap();
        assert!(committed.len() < 100_000, "{path}: {} bytes are many", committed.len());
        // Elsewhere the last digit of a logarithm may be another.
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert!(drawn == committed, "{path} is not what this draws: {line}");
        }
    }
    let mut files: Vec<String> = std::fs::read_dir(root().join("docs/figures"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut shown: Vec<String> = shown.into_iter().map(str::to_owned).collect();
    files.sort();
    shown.sort();
    assert_eq!(files, shown, "left: docs/figures, right: the page");
}

#[test]
fn left_out_lines_are_any_number_of_lines() {
    let lines = |text: &str| -> Vec<String> { text.split('/').map(str::to_owned).collect() };
    for (shown, given, same) in [
        ("a/b", "a/b", true),
        ("a/...", "a", true),
        ("a/.../d", "a/b/c/d", true),
        (".../b/.../d", "a/b/d", true),
        ("a/b", "a/b/c", false),
        ("a/.../d", "a/b/c", false),
    ] {
        assert_eq!(matches(&lines(shown), &lines(given), "..."), same, "{shown} {given}");
    }
}
