//! Writing a hospital to disk, as the export tools do, or into a database.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use mongodb::bson::Document;

use super::Hospital;
use super::books::Books;
use super::collection::Collection;
use super::documents::Made;
use super::extended::{Spelling, line};
use crate::mongo::Database;

/// A form of dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `mongoexport`: a document a line, `<collection>.json`.
    Lines(Spelling),
    /// `mongoexport --jsonArray`: one array, `<collection>.json`.
    Array(Spelling),
    /// `mongodump`: `<collection>.bson` and `<collection>.metadata.json`.
    Bson,
}

impl Format {
    /// The form with this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ndjson" | "ndjson-canonical" => Self::Lines(Spelling::Canonical),
            "ndjson-relaxed" => Self::Lines(Spelling::Relaxed),
            "array" | "array-canonical" => Self::Array(Spelling::Canonical),
            "array-relaxed" => Self::Array(Spelling::Relaxed),
            "bson" => Self::Bson,
            _ => return None,
        })
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Lines(_) | Self::Array(_) => "json",
            Self::Bson => "bson",
        }
    }
}

/// Called with each document of the histories, after it was written.
pub type Seen<'s> = &'s mut dyn FnMut(Collection, &Made);

struct Out {
    file: BufWriter<File>,
    format: Format,
    documents: u64,
}

impl Out {
    fn new(folder: &Path, collection: &str, format: Format) -> Self {
        let path = folder.join(format!("{collection}.{}", format.extension()));
        if format == Format::Bson {
            let metadata = format!(
                r#"{{"indexes":[{{"v":{{"$numberInt":"2"}},"key":{{"_id":{{"$numberInt":"1"}}}},"name":"_id_"}}],"collectionName":"{collection}","type":"collection"}}"#
            );
            std::fs::write(folder.join(format!("{collection}.metadata.json")), metadata).expect("a file");
        }
        let file = BufWriter::new(File::create(path).expect("a file"));
        Self {
            file,
            format,
            documents: 0,
        }
    }

    fn put(&mut self, document: &Document) {
        let written = match self.format {
            Format::Lines(spelling) => writeln!(self.file, "{}", line(document, spelling)),
            Format::Array(spelling) => {
                let before = if self.documents == 0 { "[" } else { ",\n" };
                write!(self.file, "{before}{}", line(document, spelling))
            }
            Format::Bson => {
                let bytes = document.to_vec().expect("a document");
                self.file.write_all(&bytes)
            }
        };
        written.expect("the disk has room");
        self.documents += 1;
    }

    fn end(mut self) {
        if let Format::Array(_) = self.format {
            let close = if self.documents == 0 { "[]\n" } else { "]\n" };
            self.file.write_all(close.as_bytes()).expect("the disk has room");
        }
        self.file.flush().expect("the disk has room");
    }
}

/// Writes all collections into a folder, and the books as `books.json` beside them.
pub fn write(hospital: &Hospital, folder: &Path, format: Format, seen: Seen<'_>) -> Books {
    std::fs::create_dir_all(folder).expect("a folder");
    for (collection, documents) in hospital.people.collections() {
        let mut out = Out::new(folder, collection, format);
        documents.iter().for_each(|document| out.put(document));
        out.end();
    }
    let mut books = hospital.books();
    for collection in Collection::ALL {
        let mut out = Out::new(folder, collection.name(), format);
        let mut documents = hospital.documents(collection);
        for made in documents.by_ref() {
            out.put(&made.document);
            seen(collection, &made);
        }
        out.end();
        books.collections.insert(collection, documents.books);
    }
    std::fs::write(folder.join("books.json"), format!("{:#}\n", books.json())).expect("a file");
    books
}

/// Puts all collections into a database.
pub fn load(hospital: &Hospital, database: &Database, name: &str, seen: Seen<'_>) -> Books {
    for (collection, documents) in hospital.people.collections() {
        database.insert(name, collection, documents);
    }
    let mut books = hospital.books();
    for collection in Collection::ALL {
        let mut documents = hospital.documents(collection);
        let mut batch: Vec<Document> = Vec::new();
        let mut weight = 0;
        for made in documents.by_ref() {
            seen(collection, &made);
            weight += 1 + made.verdicts.len();
            batch.push(made.document);
            if weight > 5_000 {
                database.insert(name, collection.name(), &batch);
                batch.clear();
                weight = 0;
            }
        }
        database.insert(name, collection.name(), &batch);
        books.collections.insert(collection, documents.books);
    }
    books
}
