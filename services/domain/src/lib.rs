//! AVA4 messages to FHIR R5: the rules of the pipeline, without any input or output.
//!
//! Everything here is a pure function of its arguments. The time of day, the registry and the mapping are
//! passed in, so that the same raw record always becomes the same documents.
#![warn(missing_docs)]

pub mod alike;
pub mod audit;
mod call;
mod catalogue;
pub mod digits;
mod fhir;
pub mod history;
pub mod ids;
mod iso;
mod json;
mod judge;
pub mod mapping;
mod message;
pub mod outcome;
pub mod reading;
pub mod registry;
pub mod remap;
mod text;
pub mod time;
