//! What can be told of the files in `deploy/` without running containers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::fs;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file)
}

/// The instructions of a Dockerfile, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("Dockerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no instruction: {line}"));
            (word.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

#[test]
fn the_image_has_two_stages_no_root_and_a_health_check() {
    let instructions = instructions();
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "ENV",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    assert!(instructions.iter().all(|(word, _)| known.contains(&word.as_str())), "{instructions:#?}");
    let all = |word: &str| instructions.iter().filter(|(w, _)| w == word).map(|(_, rest)| rest.as_str()).collect();
    let stages: Vec<&str> = all("FROM");
    assert_eq!(stages.len(), 2);
    assert!(stages[0].ends_with(" AS build"), "{stages:?}");
    let copies: Vec<&str> = all("COPY");
    assert!(copies.last().unwrap().starts_with("--from=build "), "the program comes from the first stage");
    let last_stage = instructions.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let at = |word: &str| instructions.iter().rposition(|(w, _)| w == word).unwrap();
    assert!(at("USER") > last_stage && at("HEALTHCHECK") > last_stage);
    let users: Vec<&str> = all("USER");
    assert!(users.iter().all(|user| user.parse::<u32>().is_ok_and(|id| id > 0)), "{users:?}");
    assert!(instructions[at("HEALTHCHECK")].1.contains(r#"CMD ["task-service", "health"]"#));
    assert_eq!(instructions[at("ENTRYPOINT")].1, r#"["task-service"]"#);
}

fn texts(list: &Yaml) -> Vec<&str> {
    list.as_vec().map(|items| items.iter().filter_map(Yaml::as_str).collect()).unwrap_or_default()
}

/// A key of a service, or of what it is merged from.
fn of<'y>(service: &'y Yaml, key: &str) -> &'y Yaml {
    match &service[key] {
        Yaml::BadValue => &service["<<"][key],
        own => own,
    }
}

#[test]
fn the_compose_file_says_what_the_documents_say() {
    let text = fs::read_to_string(deploy("compose.yaml")).unwrap();
    let documents = YamlLoader::load_from_str(&text).unwrap();
    let compose = &documents[0];
    let services = compose["services"].as_hash().unwrap();
    let names: Vec<&str> = services.keys().filter_map(Yaml::as_str).collect();
    assert_eq!(names, ["postgres", "nats", "tasks-1", "tasks-2", "gateway"]);
    for name in ["tasks-1", "tasks-2"] {
        let service = &compose["services"][name];
        let environment = of(service, "environment");
        for variable in ["POSTGRES_HOST", "POSTGRES_PASSWORD", "NATS_URL", "GATEWAY_SECRET"] {
            assert!(!environment[variable].is_badvalue(), "{name}: {variable}");
        }
        let resources = &of(service, "deploy")["resources"];
        let figures = |kind: &str| (resources[kind]["cpus"].as_str(), resources[kind]["memory"].as_str());
        assert_eq!(figures("reservations"), (Some("0.5"), Some("256M")));
        assert_eq!(figures("limits"), (Some("1.0"), Some("512M")));
        assert!(of(service, "ports").is_badvalue(), "{name} is reached through the gateway only");
        let dockerfile = of(service, "build")["dockerfile"].as_str().unwrap();
        assert!(deploy("..").join(dockerfile).exists());
    }
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert!(of(service, "image").as_str().is_some(), "{name} has no image");
        for network in texts(of(service, "networks")) {
            assert!(compose["networks"].as_hash().unwrap().contains_key(&Yaml::from_str(network)), "{network}");
        }
        for wanted in of(service, "depends_on").as_hash().into_iter().flat_map(|wanted| wanted.keys()) {
            assert!(services.contains_key(wanted), "{name} waits for {wanted:?}");
        }
        for mount in texts(of(service, "volumes")) {
            let source = mount.split(':').next().unwrap();
            match source.strip_prefix("./") {
                // Made by whoever deploys: it holds passwords.
                Some("gateway/users") => {}
                Some(file) => assert!(deploy(file).exists(), "{file}"),
                None => assert!(compose["volumes"].as_hash().unwrap().contains_key(&Yaml::from_str(source))),
            }
        }
    }
    assert_eq!(texts(&compose["services"]["gateway"]["ports"]), ["8080:8080"]);
}

#[test]
fn the_gateway_is_told_every_name_of_its_template() {
    let template = fs::read_to_string(deploy("gateway/task-service.conf.template")).unwrap();
    let compose = fs::read_to_string(deploy("compose.yaml")).unwrap();
    let documents = YamlLoader::load_from_str(&compose).unwrap();
    let environment = documents[0]["services"]["gateway"]["environment"].as_hash().unwrap();
    let lines = template.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut names = 0;
    for part in lines.flat_map(|line| line.split("${").skip(1)) {
        let name = part.split('}').next().unwrap();
        assert!(environment.contains_key(&Yaml::from_str(name)), "{name}");
        names += 1;
    }
    assert!(names >= 5, "the template names {names}");
}
