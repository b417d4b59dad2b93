//! Settings and files that cannot be used.

use stardust_scenarios::binary;
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};

pub fn a_wrong_setting_is_named() {
    let stack = Stack::bare(Backend::Embedded);
    for (variable, value) in [
        ("FHIR_BATCH_SIZE", "0"),
        ("FHIR_BATCH_SIZE", "many"),
        ("FHIR_WORKER_THREADS", "-1"),
        ("ENABLE_LEGACY_ROUTING", "perhaps"),
        ("TIME_ZONE_OFFSET", "Bangkok"),
        ("REGISTRY_REFRESH_SECONDS", "0"),
        ("LOG_FORMAT", "xml"),
        ("STARDUST_LISTEN", "nowhere"),
        ("STARDUST_LISTEN", "0.0.0.0:5054"),
        ("MONGODB_URI", "http://127.0.0.1:1"),
        ("MONGODB_FHIR_DB", "amy"),
        ("KAFKA_PROPERTIES", "linger.ms=1"),
        ("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1"),
        ("AUDIT_SIGNING_KEY_FILE", "/nowhere/key.pem"),
        ("AUDIT_SIGNING_SECONDS", "60"),
    ] {
        let mut settings = stack.settings().clone();
        settings.insert("MONGODB_MAIN_DB".to_owned(), "amy".to_owned());
        settings.insert(variable.to_owned(), value.to_owned());
        let done = binary::run(&settings, &["up"]);
        assert_eq!(done.code, Some(2), "{variable}={value}: {}", done.stderr);
        assert!(
            done.stderr.contains(variable),
            "{variable} is named in {}",
            done.stderr
        );
    }
    for service in ["ingest", "fhir-parser", "legacy-router", "audit-recorder"] {
        for (given, missing) in [("KAFKA_BROKERS", "MONGODB_URI"), ("MONGODB_URI", "KAFKA_BROKERS")] {
            let mut settings = stack.settings().clone();
            let value = if given == "MONGODB_URI" {
                "mongodb://127.0.0.1:1"
            } else {
                "127.0.0.1:1"
            };
            settings.insert(given.to_owned(), value.to_owned());
            let done = binary::run(&settings, &[service]);
            assert_eq!(done.code, Some(2), "{service}: {}", done.stderr);
            assert!(
                done.stderr.contains(missing),
                "{missing} is named in {}",
                done.stderr
            );
        }
    }
    let mut secret = stack.settings().clone();
    secret.insert(
        "MONGODB_URI".to_owned(),
        "mongodb://ward:hush@127.0.0.1:1/".to_owned(),
    );
    secret.insert("KAFKA_BROKERS".to_owned(), "127.0.0.1:1".to_owned());
    secret.insert("KAFKA_PROPERTIES".to_owned(), "sasl.password=hush".to_owned());
    let printed = binary::run(&secret, &["config"]).good().stdout;
    assert!(
        printed.contains("127.0.0.1:1") && !printed.contains("hush"),
        "{printed}"
    );
    assert_eq!(binary::run(stack.settings(), &["nonsense"]).code, Some(2));
    assert_eq!(
        binary::run(stack.settings(), &["export", "nonsense"]).code,
        Some(2)
    );
}

/// A stack with a data file, and where that is.
fn with_a_file() -> (Stack, std::path::PathBuf) {
    let stack = Stack::new(Backend::Embedded);
    stack.learn(&Registry::ward(1));
    let file = stack.data_file();
    (stack, file)
}

fn refused_untouched(stack: &Stack, file: &std::path::Path) {
    let before = std::fs::read(file).unwrap();
    for command in [vec!["up"], vec!["reconcile"], vec!["export", "observations"]] {
        let done = stack.run(&command);
        assert!(
            done.code.is_some_and(|c| c != 0),
            "{command:?} took it: {}",
            done.stdout
        );
        let words = done.stderr.to_lowercase();
        assert!(
            words.contains(&file.file_name().unwrap().to_string_lossy().to_lowercase()),
            "the file is named: {words}"
        );
    }
    assert!(std::fs::read(file).unwrap() == before, "the file was changed");
}

pub fn a_damaged_file_is_refused_untouched() {
    let (stack, file) = with_a_file();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.iter_mut().skip(20).take(4_000).for_each(|b| *b = 0xA5);
    std::fs::write(&file, &bytes).unwrap();
    refused_untouched(&stack, &file);
    std::fs::write(&file, b"this is no database at all, but somebody's notes").unwrap();
    refused_untouched(&stack, &file);
}

pub fn a_newer_file_is_refused_untouched() {
    let (stack, file) = with_a_file();
    let mut bytes = std::fs::read(&file).unwrap();
    // user_version of SQLite's header, big endian, at 60.
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&file, &bytes).unwrap();
    refused_untouched(&stack, &file);
}

pub fn a_data_folder_has_one_process() {
    let stack = Stack::started(Backend::Embedded, &Registry::ward(1));
    let done = stack.run(&["up"]);
    assert!(
        done.code.is_some_and(|c| c != 0),
        "a second `up` on one folder: {}",
        done.stdout
    );
    assert!(!done.stderr.is_empty());
    assert_eq!(stack.get("/health/ready").status, 200, "the first goes on");
}
