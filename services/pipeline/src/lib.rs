//! Ports, the worker loop and the semantics that every backend keeps.
