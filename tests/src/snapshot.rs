//! What is stored, byte for byte: the raw documents of the database, or the rows of the file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;

use crate::stack::Stack;

/// Collections of the FHIR database that a replay must not change.
const FHIR: [&str; 4] = [
    "fhir_observations",
    "fhir_audit_events",
    "stardust_dead",
    "stardust_parked",
];
const HISTORIES: [&str; 10] = [
    "blood_pressure_histories",
    "blood_sugar_histories",
    "body_data_histories",
    "creatinine_histories",
    "heart_rate_histories",
    "lipid_histories",
    "sleep_data_histories",
    "spo2_histories",
    "step_histories",
    "temprature_data_histories",
];
const TABLES: [(&str, &str); 4] = [
    ("observations", "id"),
    ("audit", "chain, seq"),
    ("letters", "shelf, id"),
    ("legacy", "collection, id"),
];

/// Everything that is stored, in a file.
pub struct Snapshot {
    file: PathBuf,
    /// Documents in it.
    pub documents: u64,
}

impl Snapshot {
    /// Takes it; `name` tells the file.
    pub fn take(stack: &Stack, name: &str) -> Self {
        let file = stack.folder().join(format!("{name}.stored"));
        let mut out = BufWriter::new(File::create(&file).expect("a file"));
        let documents = if stack.settings().contains_key("MONGODB_URI") {
            database(stack, &mut out)
        } else {
            rows(stack, &mut out)
        };
        out.flush().expect("the file is written");
        Self { file, documents }
    }

    /// Panics unless both hold the same bytes.
    #[track_caller]
    pub fn same(&self, other: &Self) {
        assert_eq!(self.documents, other.documents, "documents");
        let difference = difference(&self.file, &other.file);
        assert_eq!(
            difference,
            None,
            "{} and {} differ from this byte on",
            self.file.display(),
            other.file.display()
        );
    }
}

fn database(stack: &Stack, out: &mut impl Write) -> u64 {
    let database = stack.database();
    let of = |name: &'static str, collections: &'static [&'static str]| {
        collections.iter().map(move |collection| (name, *collection))
    };
    of("MONGODB_FHIR_DB", &FHIR)
        .chain(of("MONGODB_MAIN_DB", &HISTORIES))
        .map(|(name, collection)| database.dump(stack.setting(name), collection, out))
        .sum()
}

fn rows(stack: &Stack, out: &mut impl Write) -> u64 {
    let file = rusqlite::Connection::open(stack.data_file()).expect("the data file");
    file.busy_timeout(std::time::Duration::from_secs(30))
        .expect("a time limit");
    let mut documents = 0;
    for (table, order) in TABLES {
        let query = format!("SELECT * FROM {table} ORDER BY {order}");
        let mut statement = file.prepare(&query).expect("the table");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("its rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                match row.get_ref(column).expect("a value") {
                    ValueRef::Null => write!(out, "-|"),
                    ValueRef::Integer(n) => write!(out, "{n}|"),
                    ValueRef::Real(n) => write!(out, "{n}|"),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        write!(out, "{}:", bytes.len()).and_then(|()| out.write_all(bytes))
                    }
                }
                .expect("the file is written");
            }
            documents += 1;
        }
    }
    documents
}

/// The first byte at which two files differ.
fn difference(a: &Path, b: &Path) -> Option<u64> {
    let open = |path: &Path| BufReader::new(File::open(path).expect("a file"));
    let (mut a, mut b) = (open(a), open(b));
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0_u64;
    loop {
        let n = fill(&mut a, &mut left);
        let m = fill(&mut b, &mut right);
        if let Some(unequal) = left[..n.min(m)]
            .iter()
            .zip(&right[..n.min(m)])
            .position(|(a, b)| a != b)
        {
            return Some(at + unequal as u64);
        }
        if n != m {
            return Some(at + n.min(m) as u64);
        }
        if n == 0 {
            return None;
        }
        at += n as u64;
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]).expect("the file is read") {
            0 => break,
            n => filled += n,
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut long = vec![7; (1 << 20) + 10];
        let a = file("a", &long);
        assert_eq!(difference(&a, &file("b", &long)), None);
        long[(1 << 20) + 3] = 8;
        assert_eq!(difference(&a, &file("c", &long)), Some((1 << 20) + 3));
        assert_eq!(difference(&a, &file("d", &long[..5])), Some(5));
    }
}
