//! The store on MongoDB.
