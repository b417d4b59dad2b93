//! The demonstration.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use stardust_scenarios::{binary, http};

pub fn the_demonstration_balances_its_books() {
    let folder = tempfile::tempdir().unwrap();
    let settings = BTreeMap::from([
        ("STARDUST_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ("TMPDIR".to_owned(), folder.path().display().to_string()),
    ]);
    let mut demo = binary::command(&settings)
        .args(["demo", "--messages", "300", "--rate", "150"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(demo.stdout.take().unwrap());
    let mut printed = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(
            stdout.read_line(&mut line).unwrap() > 0,
            "no address in {printed}"
        );
        printed.push_str(&line);
        if let Some((_, rest)) = line.split_once("http://127.0.0.1:") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break format!("127.0.0.1:{port}").parse().unwrap();
        }
    };
    let page = http::once(address, "GET", "/", &[], b"").expect("the printed address answers");
    assert_eq!(page.status, 200);
    stdout.read_to_string(&mut printed).unwrap();
    assert!(demo.wait().unwrap().success(), "{printed}");
    assert!(
        printed.to_lowercase().contains("simulated"),
        "marked as simulated: {printed}"
    );
    assert!(printed.contains("balance"), "{printed}");
    for kind in [
        "Blood pressure",
        "Heart rate",
        "Oxygen saturation",
        "Glucose",
        "Body temperature",
        "Body weight",
        "Urate",
        "Cholesterol",
    ] {
        assert!(printed.contains(kind), "{kind} occurs: {printed}");
    }
}
