//! Log, store and spool in one SQLite file.
