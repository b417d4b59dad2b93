//! What of the command line stands by itself: settings, the values of arguments, `stardust map`. The wiring is the
//! binary's.
#![warn(missing_docs)]

pub mod arguments;
pub mod map;
pub mod settings;
