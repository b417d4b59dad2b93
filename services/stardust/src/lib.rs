//! What of the command line stands by itself: settings, the values of arguments, `stardust map`, and whatever else can be
//! tested alone. The wiring is the binary's.
#![warn(missing_docs)]

pub mod arguments;
pub mod findings;
pub mod keys;
pub mod map;
pub mod pace;
pub mod retention;
pub mod settings;
pub mod shown;
