//! What the compiler does not check: the arrows between crates, the length of files, the places of
//! the clock. Each failure says what to do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may know whom. A new edge is a decision: draw it in `docs/ARCHITECTURE.md`, then allow it here.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocols", &["domain"]),
    ("service", &["domain", "protocols"]),
    ("repository", &["domain", "protocols"]),
    ("events", &["domain", "protocols"]),
    ("clients", &["domain", "protocols"]),
    ("executors", &["domain", "protocols"]),
    ("server", &["domain", "protocols", "service"]),
    // Of server only the plumbing: no route, no DTO.
    ("compat", &["domain", "protocols", "service", "server"]),
    (
        "factory",
        &["domain", "protocols", "service", "repository", "events", "clients", "executors", "server", "compat"],
    ),
    ("testkit", &[]),
    // Beside: it knows the program by its API only.
    ("bench", &["testkit"]),
];

/// Libraries that would bring I/O or a clock into the layers that have none.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("domain", &["tokio", "futures", "async-trait", "diesel", "actix-web", "reqwest", "async-nats", "tracing"]),
    ("protocols", &["diesel", "actix-web", "reqwest", "async-nats"]),
    ("service", &["diesel", "actix-web", "reqwest", "async-nats"]),
    ("server", &["diesel", "async-nats", "reqwest"]),
    ("compat", &["diesel", "async-nats", "reqwest"]),
];

const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn manifest(krate: &str) -> toml::Table {
    let path = root().join("crates").join(krate).join("Cargo.toml");
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn names(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    manifest.get(table).and_then(|t| t.as_table()).map(|t| t.keys().cloned().collect()).unwrap_or_default()
}

fn crates() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every Rust file below `crates/`, with its path from the root.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("target") => {}
                _ if path.is_dir() => walk(&path, found),
                Some(name) if name.ends_with(".rs") => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("crates"), &mut found);
    assert!(found.len() > 100, "the sources were not found");
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn refuse(problems: Vec<String>, remedy: &str) {
    assert!(problems.is_empty(), "{}\n{remedy}", problems.join("\n"));
}

#[test]
fn crates_know_only_whom_the_architecture_lets_them_know() {
    let listed: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(crates(), listed, "a crate is missing in ARROWS, or ARROWS lists one that is gone");
    let mut problems = Vec::new();
    for (krate, allowed) in ARROWS {
        for dependency in names(&manifest(krate), "dependencies") {
            if let Some(known) = dependency.strip_prefix("task-").filter(|name| listed.contains(*name))
                && !allowed.contains(&known)
            {
                problems.push(format!("{krate} must not know {known}"));
            }
        }
    }
    refuse(problems, "See the arrows in docs/ARCHITECTURE.md: put a trait into protocols and let factory wire it.");
}

#[test]
fn adapters_are_tested_without_one_another() {
    let mut problems = Vec::new();
    for (krate, allowed) in ARROWS.iter().filter(|(name, _)| *name != "factory") {
        for dependency in names(&manifest(krate), "dev-dependencies") {
            if let Some(known) = dependency.strip_prefix("task-")
                && known != "testkit"
                && !allowed.contains(&known)
            {
                problems.push(format!("the tests of {krate} must not know {known}"));
            }
        }
    }
    refuse(problems, "Tests across adapters belong to crates/factory/tests.");
}

#[test]
fn the_inner_layers_have_no_io() {
    let mut problems = Vec::new();
    for (krate, forbidden) in FORBIDDEN {
        let dependencies = names(&manifest(krate), "dependencies");
        let found = forbidden.iter().filter(|name| dependencies.contains(**name));
        problems.extend(found.map(|name| format!("{krate} must not use {name}")));
    }
    refuse(problems, "The table in docs/ARCHITECTURE.md says what each crate deliberately lacks.");
}

#[test]
fn every_crate_takes_lints_and_versions_from_the_workspace() {
    let mut problems = Vec::new();
    for krate in crates() {
        let manifest = manifest(&krate);
        if manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool) != Some(true) {
            problems.push(format!("{krate}: add `[lints] workspace = true`"));
        }
        if manifest["package"]["name"].as_str() != Some(&format!("task-{krate}")) {
            problems.push(format!("{krate}: the package is to be called task-{krate}"));
        }
        for table in ["dependencies", "dev-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            let own = dependencies.iter().filter(|(_, how)| how.get("workspace").is_none());
            problems.extend(own.map(|(name, _)| format!("{krate}: {name} is to be `.workspace = true`")));
        }
    }
    refuse(problems, "Versions live in the root Cargo.toml, once.");
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter(|(_, text)| text.lines().count() > MAX_LINES);
    let problems = long.map(|(name, text)| format!("{name} has {} lines", text.lines().count())).collect();
    refuse(problems, "Split it by what a reader would look for; 300 lines are plenty, 500 the end.");
}

#[test]
fn every_module_that_holds_others_says_what_it_is() {
    let holds = |name: &str| name.ends_with("/lib.rs") || name.ends_with("/mod.rs") || name.ends_with("/main.rs");
    let silent = sources().into_iter().filter(|(name, text)| holds(name) && !text.starts_with("//!"));
    refuse(silent.map(|(name, _)| name).collect(), "Begin with `//!`: its purpose, and what is deliberately absent.");
}

#[test]
fn time_comes_from_the_clock_and_tasks_from_the_background() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let is_test = name.contains("/tests/") || name.starts_with("crates/testkit/");
        if is_test {
            continue;
        }
        for (needle, home) in [("Utc::now(", "crates/factory/src/clock.rs"), ("tokio::spawn(", "nowhere")] {
            if text.contains(needle) && name != home {
                problems.push(format!("{name} calls {needle})"));
            }
        }
    }
    refuse(problems, "Ask the store's clock, and spawn through protocols::background.");
}

#[test]
fn sql_is_not_built_from_strings() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("crates/repository/src/") {
            for needle in ["sql_query(format!", "sql_query(&format!", "batch_execute(&format!"] {
                if text.contains(needle) {
                    problems.push(format!("{name} uses {needle}"));
                }
            }
        }
    }
    refuse(problems, "Bind values; put a statement that the DSL cannot say into a file under sql/.");
}
