//! Makes an invented hospital on disk or in a database: see `tests/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use stardust_scenarios::hospital::collection::Collection;
use stardust_scenarios::hospital::documents::Made;
use stardust_scenarios::hospital::dump::{self, Format};
use stardust_scenarios::hospital::{Hospital, Plan};
use stardust_scenarios::mongo::Database;

const HELP: &str = "Makes an invented hospital in the form of the database that exists, and the books of what must
become of each entry.

Usage: hospital [--seed N] [--entries N] [--every-oddity] --format FORMAT --out DIR
       hospital [--seed N] [--entries N] [--every-oddity] --uri URI --database NAME [--out DIR]

  --seed N         another hospital (1)
  --entries N      entries in all histories, 100 to 2,000,000 (56000)
  --every-oddity   each oddity at least once, however few entries there are
  --format FORMAT  ndjson (canonical Extended JSON, as mongoexport --jsonFormat=canonical), ndjson-relaxed, array,
                   array-relaxed, bson (as mongodump)
  --out DIR        the files, books.json and, with --verdicts, verdicts.ndjson
  --verdicts       what must become of each entry, a line a document
  --uri URI        into this MongoDB instead

Example: hospital --entries 100 --every-oddity --format ndjson --out /tmp/hospital
";

struct Options(BTreeMap<String, String>);

impl Options {
    fn read() -> Result<Self, String> {
        let mut read = BTreeMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = match word.as_str() {
                "--every-oddity" | "--verdicts" | "--help" => String::new(),
                "--seed" | "--entries" | "--format" | "--out" | "--uri" | "--database" => {
                    words.next().ok_or(format!("{word} needs a value"))?
                }
                _ => return Err(format!("{word} is not known")),
            };
            read.insert(word, value);
        }
        Ok(Self(read))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str, otherwise: u64) -> Result<u64, String> {
        match self.get(name) {
            Some(text) => text.parse().map_err(|_| format!("{name} takes a whole number")),
            None => Ok(otherwise),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::read()?;
    if options.get("--help").is_some() {
        print!("{HELP}");
        return Ok(());
    }
    let mut plan = Plan::new(options.number("--seed", 1)?, options.number("--entries", 56_000)?);
    if options.get("--every-oddity").is_some() {
        plan = plan.with_every_oddity();
    }
    let hospital = Hospital::new(plan);
    let out = options.get("--out").map(Path::new);
    let mut verdicts = match (options.get("--verdicts"), out) {
        (Some(_), Some(folder)) => {
            std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
            let file = File::create(folder.join("verdicts.ndjson")).map_err(|e| e.to_string())?;
            Some(BufWriter::new(file))
        }
        (Some(_), None) => return Err("--verdicts needs --out".to_owned()),
        (None, _) => None,
    };
    let mut seen = |collection: Collection, made: &Made| {
        if let Some(file) = &mut verdicts {
            let id = made.document.get_object_id("_id").expect("an id").to_hex();
            let entries: Vec<_> = made.verdicts.iter().map(|v| v.json()).collect();
            let line = json!({"collection": collection.name(), "document": id, "entries": entries});
            writeln!(file, "{line}").expect("the disk has room");
        }
    };
    let books = match (options.get("--uri"), options.get("--format"), out) {
        (Some(uri), None, _) => {
            let name = options.get("--database").ok_or("--uri needs --database")?;
            dump::load(&hospital, &Database::connect(uri), name, &mut seen)
        }
        (None, Some(format), Some(folder)) => {
            let format = Format::named(format).ok_or(format!("there is no format {format}"))?;
            dump::write(&hospital, folder, format, &mut seen)
        }
        _ => return Err("either --uri, or --format and --out".to_owned()),
    };
    println!("{:#}", books.json()["totals"]);
    Ok(())
}
