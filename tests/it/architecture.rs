//! The rooms of the design: arrows point inwards only.

use std::collections::BTreeMap;
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;
use stardust_scenarios::binary::repository;

pub fn trials() -> Vec<Trial> {
    vec![
        crate::trial(
            "architecture::arrows_point_inwards_only",
            arrows_point_inwards_only,
        ),
        crate::trial(
            "architecture::outside_systems_stay_in_their_adapters",
            outside_systems_stay_in_their_adapters,
        ),
        crate::trial(
            "architecture::every_member_has_its_place",
            every_member_has_its_place,
        ),
    ]
}

const INNER: &[&str] = &["domain", "wire", "pipeline"];

/// What each room may know of ours. `books` is what services and commands share about reconciling: a library at the
/// height of the services.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &[]),
    ("pipeline", &["domain", "wire"]),
    ("embedded", INNER),
    ("kafka", INNER),
    ("mongo", INNER),
    ("ingest", INNER),
    ("fhir-parser", INNER),
    ("legacy-router", INNER),
    ("audit-recorder", INNER),
    ("fhir-migrator", INNER),
    ("books", INNER),
];

/// A crate that speaks to an outside system, and the one room that may.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka"]),
    ("rdkafka-sys", &["kafka"]),
    ("mongodb", &["mongo"]),
    ("bson", &["mongo"]),
    ("rusqlite", &["embedded"]),
    ("apache-avro", &["wire"]),
    ("warp", &["ingest"]),
    ("clap", &["stardust"]),
    ("anyhow", &["stardust"]),
];

struct Edge {
    from: String,
    to: String,
    development: bool,
}

/// Dependencies of our crates, ours without the prefix `stardust-`.
fn edges() -> Vec<Edge> {
    let done = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(repository().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let metadata: Value = serde_json::from_slice(&done.stdout).expect("cargo metadata writes JSON");
    let short = |name: &Value| name.as_str().unwrap().trim_start_matches("stardust-").to_owned();
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            edges.push(Edge {
                from: short(&package["name"]),
                to: short(&dependency["name"]),
                development: dependency["kind"] == "dev",
            });
        }
        // A member without dependencies is a member too.
        edges.push(Edge {
            from: short(&package["name"]),
            to: String::new(),
            development: false,
        });
    }
    edges
}

/// Who may stand anywhere: the wiring, and what only tests.
fn free(room: &str) -> bool {
    ["stardust", "scenarios", "load", "simulation"].contains(&room)
}

fn arrows_point_inwards_only() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    for edge in edges().iter().filter(|e| !free(&e.from)) {
        let ours = rooms.contains_key(edge.to.as_str()) || free(&edge.to);
        // Tests of a room may put a backend below it, never the wiring.
        let tests = edge.development && !free(&edge.to);
        assert!(
            !ours || tests || rooms[edge.from.as_str()].contains(&edge.to.as_str()),
            "{} must not know {}",
            edge.from,
            edge.to
        );
    }
}

fn outside_systems_stay_in_their_adapters() {
    for edge in edges()
        .iter()
        .filter(|e| e.from != "scenarios" && e.from != "load" && !e.development)
    {
        if let Some((_, rooms)) = OUTSIDE.iter().find(|(outside, _)| *outside == edge.to) {
            assert!(
                rooms.contains(&edge.from.as_str()),
                "{} must not know {}",
                edge.from,
                edge.to
            );
        }
    }
    // The domain does not know who calls it, nor how.
    for edge in edges().iter().filter(|e| e.from == "domain" && !e.development) {
        assert!(
            !["tokio", "hyper", "tracing", "rand"].contains(&edge.to.as_str()),
            "the domain must not know {}",
            edge.to
        );
    }
}

fn every_member_has_its_place() {
    for edge in edges() {
        let known = ROOMS.iter().any(|(room, _)| *room == edge.from) || free(&edge.from);
        assert!(known, "{} is in no room of services/README.md", edge.from);
    }
}
