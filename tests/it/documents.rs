//! What the README promises exists.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use stardust_scenarios::binary::{self, repository};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![crate::trial(
        "documents::files_that_the_readme_names_exist",
        files_that_the_readme_names_exist,
    )];
    // These run the binary.
    if std::env::var("STARDUST_E2E").is_ok_and(|v| v == "1") {
        trials.push(crate::trial(
            "documents::commands_that_the_readme_names_exist",
            commands_that_the_readme_names_exist,
        ));
        trials.push(crate::trial(
            "documents::settings_that_the_readme_names_exist",
            settings_that_the_readme_names_exist,
        ));
        trials.push(crate::trial(
            "documents::every_command_has_help_with_an_example",
            every_command_has_help_with_an_example,
        ));
    }
    trials
}

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("README.md")
}

/// The texts between backticks, and the lines of code blocks.
fn code(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if block {
            found.push(line.to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

fn files_that_the_readme_names_exist() {
    let text = readme();
    // Links to files of the repository, and paths in code.
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_owned);
    let starts = [
        "services/",
        "tests/",
        "schemas/",
        "redpanda/",
        "./tests/",
        ".ci/",
        "docker-compose",
    ];
    let words = code(&text);
    let paths = words
        .iter()
        .flat_map(|c| c.split_whitespace())
        .filter(|w| starts.iter().any(|s| w.starts_with(s)));
    let mut count = 0;
    for path in links
        .filter(|l| !l.contains("://") && !l.starts_with('#'))
        .chain(paths.map(str::to_owned))
    {
        let path = path
            .trim_end_matches(['.', ',', ';', ':', '\'', '"'])
            .split(['#', '*', '<', '$'])
            .next()
            .unwrap_or_default();
        // What a build or a run makes.
        if path.is_empty() || path.contains(".cache") || path.contains("target") {
            continue;
        }
        count += 1;
        assert!(
            repository().join(path).exists(),
            "README.md names {path}, which is not there"
        );
    }
    assert!(count > 2, "README.md names hardly a file: {count}");
    for file in [
        "tests/run",
        ".ci/run",
        "deny.toml",
        "docker-compose.yml",
        "services/README.md",
        "schemas/README.md",
    ] {
        assert!(repository().join(file).exists(), "{file} is not there");
    }
}

fn help(arguments: &[&str]) -> String {
    binary::run(&BTreeMap::new(), &[arguments, &["--help"]].concat())
        .good()
        .stdout
}

fn commands_that_the_readme_names_exist() {
    let known = commands(&help(&[]));
    for line in code(&readme()) {
        for at in line.match_indices("stardust ").map(|(at, _)| at) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| !(c.is_whitespace() || c == '/')) {
                continue;
            }
            let word = line[at..].split_whitespace().nth(1).unwrap_or_default();
            if word.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(
                    known.contains(&word.to_owned()),
                    "README.md names `stardust {word}`: {known:?}"
                );
            }
        }
    }
    for command in [
        "up",
        "demo",
        "ingest",
        "fhir-parser",
        "legacy-router",
        "audit-recorder",
        "map",
        "registry",
        "export",
        "reconcile",
        "trace",
        "parked",
        "remap",
        "replay",
        "topics",
        "config",
        "audit",
    ] {
        assert!(
            known.contains(&command.to_owned()),
            "{command} is missing: {known:?}"
        );
    }
}

fn commands(help: &str) -> Vec<String> {
    let listed = help
        .split("Commands:")
        .nth(1)
        .unwrap_or_default()
        .split("\n\n")
        .next()
        .unwrap_or_default();
    let names = listed
        .lines()
        .filter_map(|l| l.strip_prefix("  "))
        .filter(|l| !l.starts_with(' '));
    names
        .filter_map(|l| l.split_whitespace().next())
        .filter(|w| *w != "help")
        .map(str::to_owned)
        .collect()
}

fn settings_that_the_readme_names_exist() {
    let printed = binary::run(&BTreeMap::new(), &["config"]).good().stdout;
    let known: Vec<&str> = printed.lines().filter_map(|l| l.split('=').next()).collect();
    let prefixes = [
        "STARDUST_",
        "KAFKA_",
        "MONGODB_",
        "FHIR_",
        "ENABLE_",
        "TOPIC_",
        "TIME_ZONE_",
        "REGISTRY_",
        "SPOOL_",
        "SCHEMA_",
        "LOG_",
        "MAPPING_",
    ];
    let text = readme();
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    for word in words.filter(|w| prefixes.iter().any(|p| w.starts_with(p) && w.len() > p.len())) {
        // Variables of the tests themselves.
        if word == "STARDUST_E2E" || word == "STARDUST_BIN" {
            continue;
        }
        assert!(
            known.contains(&word),
            "README.md names {word}, `stardust config` does not"
        );
    }
    for setting in [
        "STARDUST_LISTEN",
        "STARDUST_INSTANCE_ID",
        "STARDUST_DATA_DIR",
        "KAFKA_BROKERS",
        "KAFKA_PROPERTIES",
        "SCHEMA_REGISTRY_URL",
        "MONGODB_URI",
        "MONGODB_MAIN_DB",
        "MONGODB_FHIR_DB",
        "ENABLE_ASYNC_FHIR",
        "FHIR_QUEUE_NAME",
        "FHIR_BATCH_SIZE",
        "FHIR_WORKER_THREADS",
        "ENABLE_LEGACY_ROUTING",
        "TIME_ZONE_OFFSET",
        "REGISTRY_REFRESH_SECONDS",
        "RUST_LOG",
        "LOG_FORMAT",
    ] {
        assert!(
            known.contains(&setting),
            "{setting} is missing from `stardust config`"
        );
    }
}

fn every_command_has_help_with_an_example() {
    for command in commands(&help(&[])) {
        let text = help(&[&command]);
        assert!(
            text.contains("Example"),
            "`stardust {command} --help` has no example: {text}"
        );
    }
}
