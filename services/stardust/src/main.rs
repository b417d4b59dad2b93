//! The command line and the wiring.
fn main() {}
