//! A file as `mongodump` writes it: BSON documents, one behind the other.

use stardust_pipeline::history::SourceError;

use super::cut::{Piece, Tape};

/// The largest document of a database, and what its commands add.
const LARGEST: usize = (16 << 20) + (16 << 10);
/// A length and a final zero.
const SMALLEST: usize = 5;

/// The next document; none at the end. Where a length cannot be one, there is no telling where the next document starts.
pub(super) fn next(tape: &mut Tape) -> Result<Option<Piece>, SourceError> {
    let start = tape.at;
    let mut length = [0; 4];
    match tape.fill(&mut length)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(tape.cut_off(start)),
    }
    let whole = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
    if whole < SMALLEST {
        return Err(tape.wrong("a length that no document has; is this a file of mongodump?"));
    }
    if whole > LARGEST {
        let rest = (whole - 4) as u64;
        return if tape.pass(rest)? < rest {
            Err(tape.cut_off(start))
        } else {
            Ok(Some(Piece::Broken))
        };
    }
    let mut document = vec![0; whole];
    document[..4].copy_from_slice(&length);
    if tape.fill(&mut document[4..])? < whole - 4 {
        return Err(tape.cut_off(start));
    }
    Ok(Some(Piece::Document(document)))
}
