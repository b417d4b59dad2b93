//! What a command says. A reader that has seen enough (`stardust trace ID | head -1`) is no fault: the rest is said to
//! nobody, and what the command does and how it ends stays the same. `println!` would end it with a panic.
//!
//! The signal that ends other tools there (SIGPIPE) stays ignored: it would come from a connection to a broker or a
//! database that breaks, too.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write, stderr, stdout};

/// To stdout.
pub fn out(text: Arguments<'_>) {
    if let Err(error) = stdout().write_fmt(text)
        && !is_gone(&error)
    {
        err(format_args!("error: the output cannot be written: {error}\n"));
        std::process::exit(1);
    }
}

/// To stderr. Nothing depends on it.
pub fn err(text: Arguments<'_>) {
    let _ = stderr().write_fmt(text);
}

/// Whether nobody reads any more.
pub fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// A line to stdout.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// A line to stderr.
macro_rules! remark {
    ($($text:tt)*) => { $crate::say::err(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {remark, say};
