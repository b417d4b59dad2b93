//! Reads JSON text piece by piece: numbers stay text, and what is read can be borrowed.
//!
//! A parser of events took half of the CPU of an insert. This one leaves the shape to its callers and remembers one
//! thing on the way: whether the text is spelled as `text.rs` would spell it.

use std::borrow::Cow;

use stardust_pipeline::store::StoreError;

use crate::error::refused;
use crate::text::write_text;

/// Servers refuse documents that are nested deeper than 100; the wrapper and the command take some.
pub(crate) const MOST_DEPTH: usize = 90;

/// A JSON text under reading.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// No blanks, no escapes but the needed ones, no exponents so far.
    pub(crate) plain: bool,
}

fn no_json() -> StoreError {
    refused("text that is no JSON")
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            plain: true,
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The byte that the next piece starts with.
    pub(crate) fn peek(&mut self) -> Result<u8, StoreError> {
        self.blanks();
        self.byte().ok_or_else(no_json)
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.plain = false;
            self.at += 1;
        }
    }

    /// Takes this byte.
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), StoreError> {
        if self.peek()? == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(no_json())
        }
    }

    /// Whether a member or item follows in an object or array that ends with `close`; takes commas and the end.
    pub(crate) fn follows(&mut self, first: &mut bool, close: u8) -> Result<bool, StoreError> {
        if self.peek()? == close {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.take(b',')?;
        }
        Ok(true)
    }

    /// The name of a member, with its colon.
    pub(crate) fn name(&mut self) -> Result<Cow<'a, str>, StoreError> {
        let name = self.string()?;
        if name.contains('\0') {
            return Err(refused("a document with a field name that cannot be stored"));
        }
        self.take(b':')?;
        Ok(name)
    }

    /// A text.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, StoreError> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.byte().ok_or_else(no_json)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                0..0x20 => return Err(no_json()),
                _ => self.at += 1,
            }
        }
        let inner = self.text.get(start..self.at).ok_or_else(no_json)?;
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(inner));
        }
        let quoted = self.text.get(start - 1..self.at).ok_or_else(no_json)?;
        let text: String = serde_json::from_str(quoted).map_err(|_| no_json())?;
        let mut again = String::with_capacity(quoted.len());
        write_text(&mut again, &text);
        self.plain &= again == quoted;
        Ok(Cow::Owned(text))
    }

    /// The text of a number; whether it is one, its reader tells.
    pub(crate) fn number(&mut self) -> Result<&'a str, StoreError> {
        self.peek()?;
        let start = self.at;
        while let Some(byte @ (b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) = self.byte() {
            self.plain &= !matches!(byte, b'e' | b'E');
            self.at += 1;
        }
        self.text.get(start..self.at).ok_or_else(no_json)
    }

    /// `true`, `false` or `null`.
    pub(crate) fn literal(&mut self, literal: &str) -> Result<(), StoreError> {
        self.peek()?;
        let rest = self.text.as_bytes().get(self.at..).ok_or_else(no_json)?;
        if !rest.starts_with(literal.as_bytes()) {
            return Err(no_json());
        }
        self.at += literal.len();
        Ok(())
    }

    /// Nothing but blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), StoreError> {
        self.blanks();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(refused("JSON with something behind it"))
        }
    }
}
