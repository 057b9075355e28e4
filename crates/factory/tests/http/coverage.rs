//! Every route of the document has a test that calls it.

use std::fs;

#[test]
fn every_documented_route_is_called_by_a_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http");
    let sources: String =
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let document = task_server::document();
    let mut missing = Vec::new();
    for (path, item) in &document.paths.paths {
        let methods = [
            (&item.get, "GET"),
            (&item.post, "POST"),
            (&item.put, "PUT"),
            (&item.patch, "PATCH"),
            (&item.delete, "DELETE"),
        ];
        for (_, method) in methods.into_iter().filter(|(operation, _)| operation.is_some()) {
            let call = format!("\"{method} {path}\"");
            if !sources.contains(&call) {
                missing.push(call);
            }
        }
    }
    assert!(missing.is_empty(), "no test calls {missing:?}; add one under {folder}");
}
