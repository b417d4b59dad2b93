//! A folder with a file for each collection.

use std::path::{Path, PathBuf};

use stardust_pipeline::history::{Collection, Source, SourceError};

use super::cut::Tape;
use super::json;
use super::reader::{Cut, FileDocuments};

/// A BSON document as Extended JSON; none where it is damaged.
pub type Decode = fn(&[u8]) -> Option<String>;

/// A folder of files that `mongodump` or `mongoexport` wrote.
#[derive(Debug, Clone)]
pub struct Folder {
    folder: PathBuf,
    database: String,
    decode: Decode,
}

/// What a file is in, by its ending, in the order in which they are looked for.
const ENDINGS: [&str; 3] = ["bson", "json", "ndjson"];

impl Folder {
    /// The files of a database. Where the folder is one of `mongodump` with a folder for each database, the one with the
    /// database's name is read.
    ///
    /// # Errors
    /// Where it is no folder that can be read.
    pub fn open(folder: &Path, database: &str, decode: Decode) -> Result<Self, SourceError> {
        let unusable =
            |path: &Path, e: std::io::Error| SourceError::Unusable(format!("{}: {e}", path.display()));
        let within = folder.join(database);
        let folder = if within.is_dir() { &within } else { folder };
        // The whole name, so that it is the same source from wherever the command is given.
        let folder = folder.canonicalize().map_err(|e| unusable(folder, e))?;
        std::fs::read_dir(&folder).map_err(|e| unusable(&folder, e))?;
        Ok(Self {
            folder,
            database: database.to_owned(),
            decode,
        })
    }

    /// The file of a collection.
    fn file(&self, collection: &str) -> Result<Option<PathBuf>, SourceError> {
        let named = |ending: &str| self.folder.join(format!("{collection}.{ending}"));
        let found: Vec<PathBuf> = ENDINGS
            .into_iter()
            .map(named)
            .filter(|path| path.exists())
            .collect();
        let packed = ENDINGS
            .into_iter()
            .map(|ending| named(&format!("{ending}.gz")))
            .find(|path| path.exists());
        match (&found[..], packed) {
            ([], None) => Ok(None),
            ([], Some(packed)) => Err(SourceError::Unusable(format!(
                "{} is compressed; unpack it with `gunzip` first",
                packed.display()
            ))),
            ([file], _) => Ok(Some(file.clone())),
            ([first, second, ..], _) => Err(SourceError::Unusable(format!(
                "both {} and {} are there; keep one of them",
                first.display(),
                second.display()
            ))),
        }
    }

    fn needed(&self, collection: &str) -> Result<PathBuf, SourceError> {
        let missing = || {
            SourceError::Unusable(format!(
                "{} has no file of {collection} any more",
                self.folder.display()
            ))
        };
        self.file(collection)?.ok_or_else(missing)
    }

    fn opened(&self, collection: &str, after: Option<&str>) -> Result<FileDocuments, SourceError> {
        let path = self.needed(collection)?;
        let at = match after {
            None => 0,
            Some(place) => place
                .parse()
                .map_err(|_| SourceError::Unusable(format!("{place} is no place in a file")))?,
        };
        let cut = if path.extension().is_some_and(|ending| ending == "bson") {
            Cut::Bson(self.decode)
        } else {
            Cut::Json(json::form_of(&path)?)
        };
        FileDocuments::open(path, cut, at)
    }
}

impl Source for Folder {
    type Documents = FileDocuments;

    fn database(&self) -> &str {
        &self.database
    }

    fn describe(&self) -> String {
        format!("{} ({})", self.folder.display(), self.database)
    }

    async fn collections(&self, names: &[&str]) -> Result<Vec<Collection>, SourceError> {
        let mut found = Vec::new();
        for name in names {
            if let Some(path) = self.file(name)? {
                found.push(Collection {
                    name: (*name).to_owned(),
                    size: Tape::open(&path, 0)?.length,
                });
            }
        }
        Ok(found)
    }

    async fn open(&self, collection: &str, after: Option<&str>) -> Result<FileDocuments, SourceError> {
        let (folder, collection, after) = (self.clone(), collection.to_owned(), after.map(str::to_owned));
        tokio::task::spawn_blocking(move || folder.opened(&collection, after.as_deref()))
            .await
            .unwrap_or_else(|e| Err(SourceError::Unavailable(format!("reading was cut off: {e}"))))
    }
}
