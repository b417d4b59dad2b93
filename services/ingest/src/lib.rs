//! The door: HTTP in, raw records out.
