//! A file as `mongoexport` writes it: a document a line, or documents over several lines, or one array.

use std::path::Path;

use stardust_pipeline::history::SourceError;

use super::cut::{LONGEST, Piece, Tape};

/// How documents are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Each line is one: a bad line harms nobody else.
    Lines,
    /// By their braces: of an array, or written over several lines.
    Braces,
}

/// Looks at the start of a file.
pub(super) fn form_of(path: &Path) -> Result<Form, SourceError> {
    let mut tape = Tape::open(path, 0)?;
    blanks(&mut tape, &[])?;
    if tape.peek()?.first().is_none_or(|b| *b != b'{') {
        return Ok(Form::Braces);
    }
    // One document that ends with its line: so do the others.
    let mut braces = Braces::default();
    loop {
        let buffer = tape.peek()?;
        let Some(byte) = buffer.first().copied() else {
            return Ok(Form::Lines);
        };
        if byte == b'\n' {
            return Ok(if braces.depth == 0 {
                Form::Lines
            } else {
                Form::Braces
            });
        }
        braces.step(byte);
        tape.skip(1);
    }
}

/// Skips blanks and these bytes.
fn blanks(tape: &mut Tape, also: &[u8]) -> Result<(), SourceError> {
    // A file may start with a mark of its encoding.
    if tape.at == 0 && tape.peek()?.starts_with(&[0xef, 0xbb, 0xbf]) {
        tape.skip(3);
    }
    loop {
        let buffer = tape.peek()?;
        let blank = buffer
            .iter()
            .take_while(|b| b.is_ascii_whitespace() || also.contains(b))
            .count();
        let (whole, empty) = (blank == buffer.len(), buffer.is_empty());
        tape.skip(blank);
        if !whole || empty {
            return Ok(());
        }
    }
}

/// The next document; none at the end.
pub(super) fn next(tape: &mut Tape, form: Form) -> Result<Option<Piece>, SourceError> {
    match form {
        Form::Lines => line(tape),
        Form::Braces => value(tape),
    }
}

fn line(tape: &mut Tape) -> Result<Option<Piece>, SourceError> {
    blanks(tape, &[])?;
    let start = tape.at;
    let mut text = Vec::new();
    let mut too_long = false;
    loop {
        let buffer = tape.peek()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|b| *b == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        too_long |= text.len() + part.len() > LONGEST;
        if !too_long {
            text.extend_from_slice(part);
        }
        let read = part.len() + usize::from(end.is_some());
        tape.skip(read);
        if end.is_some() {
            return Ok(Some(piece(text, too_long)));
        }
    }
    if tape.at == start {
        return Ok(None);
    }
    // The last line needs no end, but a whole document.
    let mut braces = Braces::default();
    text.iter().for_each(|b| braces.step(*b));
    if !too_long && text.starts_with(b"{") && (braces.depth > 0 || braces.in_text) {
        return Err(tape.cut_off(start));
    }
    Ok(Some(piece(text, too_long)))
}

fn piece(text: Vec<u8>, too_long: bool) -> Piece {
    if too_long {
        Piece::Broken
    } else {
        Piece::Document(text)
    }
}

/// A value between braces. What stands between values and is none of them is one broken piece up to the next brace.
fn value(tape: &mut Tape) -> Result<Option<Piece>, SourceError> {
    blanks(tape, b"[],")?;
    let start = tape.at;
    let Some(first) = tape.peek()?.first().copied() else {
        return Ok(None);
    };
    if first != b'{' {
        loop {
            let buffer = tape.peek()?;
            let other = buffer.iter().take_while(|b| !b"{,]".contains(b)).count();
            let (whole, empty) = (other == buffer.len(), buffer.is_empty());
            tape.skip(other);
            if !whole || empty {
                return Ok(Some(Piece::Broken));
            }
        }
    }
    let mut text = Vec::new();
    let mut too_long = false;
    let mut braces = Braces::default();
    loop {
        let buffer = tape.peek()?;
        if buffer.is_empty() {
            return Err(tape.cut_off(start));
        }
        let mut read = 0;
        for byte in buffer {
            read += 1;
            braces.step(*byte);
            if braces.depth == 0 {
                break;
            }
        }
        too_long |= text.len() + read > LONGEST;
        if !too_long {
            text.extend_from_slice(&buffer[..read]);
        }
        tape.skip(read);
        if braces.depth == 0 {
            return Ok(Some(piece(text, too_long)));
        }
    }
}

/// How deep in braces, and whether in a text.
#[derive(Debug, Default)]
struct Braces {
    depth: u64,
    in_text: bool,
    escaped: bool,
}

impl Braces {
    fn step(&mut self, byte: u8) {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}
