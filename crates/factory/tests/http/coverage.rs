//! Every route has a test that calls it, and every handler is in the document. (That every route of
//! the document is routed is what the callers' matrix shows, which calls each of them.)

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src");
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[test]
fn every_documented_route_is_called_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http");
    let sources: String =
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let missing: Vec<_> =
        documented().into_iter().map(|route| format!("\"{route}\"")).filter(|call| !sources.contains(call)).collect();
    assert!(missing.is_empty(), "no test calls {missing:?}; add one under {folder}");
}

#[test]
fn every_handler_is_in_the_document() {
    let mut handlers = BTreeSet::new();
    for source in sources(Path::new(SERVER)) {
        for (line, method) in source.lines().flat_map(|line| METHODS.map(|method| (line, method))) {
            let attribute = line.strip_prefix(&format!("#[{}(\"", method.to_lowercase()));
            if let Some(route) = attribute.and_then(|rest| rest.strip_suffix("\")]")) {
                handlers.insert(format!("{method} {route}"));
            }
        }
    }
    assert_eq!(handlers, documented());
}

/// The document has one schema a name: of two types of one name it would show either.
#[test]
fn no_two_documented_types_have_one_name() {
    let mut names = Vec::new();
    for source in sources(Path::new(SERVER)) {
        for item in source.split("ToSchema)]").skip(1) {
            let words = item.split_whitespace().skip_while(|word| *word != "struct" && *word != "enum");
            names.extend(words.skip(1).take(1).map(str::to_owned));
        }
    }
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).map(|two| &two[0]).collect();
    assert!(names.len() > 20 && twice.is_empty(), "{twice:?}: give one of each another name");
}

/// `METHOD /path` of every documented operation.
fn documented() -> BTreeSet<String> {
    let document = task_server::document();
    let mut all = BTreeSet::new();
    for (path, item) in &document.paths.paths {
        let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
        let there = operations.into_iter().zip(METHODS).filter(|(operation, _)| operation.is_some());
        all.extend(there.map(|(_, method)| format!("{method} {path}")));
    }
    all
}

/// Every source file under `folder`.
fn sources(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else {
            all.push(fs::read_to_string(&path).unwrap());
        }
    }
    all
}
