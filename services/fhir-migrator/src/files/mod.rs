//! Files that were made of a database: `mongoexport` (a document a line, or one array) and `mongodump` (BSON).
//!
//! A document is cut out of its file and handed on; nothing but the document at hand is in memory. Its place is the
//! offset behind it.

mod bson;
mod cut;
mod folder;
mod json;
mod reader;

pub use folder::{Decode, Folder};
pub use reader::FileDocuments;
