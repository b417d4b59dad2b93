//! The store on MongoDB.
//!
//! [`MongoStore`] keeps Observations, audit events and letters in the FHIR database, adds legacy documents to the main
//! database (AMY) and reads the registry there. Nothing else of the main database is touched: no index, no
//! collection, no document. [`MongoSource`] reads the collections of any database, for migrations.
#![warn(missing_docs)]

mod alike;
mod amend;
mod associations;
mod audit;
mod books;
mod checkpoints;
mod connect;
mod copies;
mod decimal;
mod error;
mod export;
mod extended;
mod fields;
mod history;
mod insert;
mod json;
mod lease;
mod legacy;
mod letters;
mod names;
mod observations;
mod prepare;
mod receipts;
mod registry;
mod resources;
mod runs;
mod scanner;
mod store;
mod text;
mod writer;

#[cfg(test)]
mod any_bytes;

pub use connect::MongoStore;
pub use copies::{Copied, CopiedDocument, Copyable, FhirCopies, Place};
pub use history::{MongoDocuments, MongoSource, document_text};
pub use insert::Bulk;
