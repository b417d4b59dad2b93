//! History documents of an existing database into the raw topic.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod files;
