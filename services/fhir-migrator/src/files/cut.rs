//! What a file of documents is cut into.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use stardust_pipeline::history::SourceError;

/// Longest text of a document that is kept: a document of 16 MB, the most that a database holds, is a few times that as
/// canonical Extended JSON.
pub(super) const LONGEST: usize = 64 << 20;
const BUFFER: usize = 256 << 10;

/// A piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A document.
    Document(Vec<u8>),
    /// What should be one and is not.
    Broken,
}

/// A file that is read forward, with the offset of the next byte.
#[derive(Debug)]
pub(super) struct Tape {
    file: BufReader<File>,
    path: PathBuf,
    pub(super) at: u64,
    pub(super) length: u64,
}

impl Tape {
    /// Opens a file at an offset.
    pub(super) fn open(path: &Path, at: u64) -> Result<Self, SourceError> {
        let unusable = |e: io::Error| SourceError::Unusable(format!("{}: {e}", path.display()));
        let mut file = File::open(path).map_err(unusable)?;
        let length = file.metadata().map_err(unusable)?.len();
        if at > length {
            return Err(SourceError::Unusable(format!(
                "{} is shorter than what was read of it before ({length} bytes, not {at}): it is another file",
                path.display()
            )));
        }
        file.seek(SeekFrom::Start(at)).map_err(unusable)?;
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, file),
            path: path.to_owned(),
            at,
            length,
        })
    }

    fn failed(&self, error: &io::Error) -> SourceError {
        SourceError::Unusable(format!("{} at byte {}: {error}", self.path.display(), self.at))
    }

    /// The file ends here, where more should come.
    pub(super) fn cut_off(&self, start: u64) -> SourceError {
        SourceError::CutOff(format!(
            "{} ends in the middle of the document that starts at byte {start}",
            self.path.display()
        ))
    }

    /// The file is not in the form that it should have.
    pub(super) fn wrong(&self, what: &str) -> SourceError {
        SourceError::Unusable(format!("{} at byte {}: {what}", self.path.display(), self.at))
    }

    /// What is buffered; empty at the end of the file.
    pub(super) fn peek(&mut self) -> Result<&[u8], SourceError> {
        // Asked twice, since the borrow of a first answer would live as long as the second.
        if let Err(error) = io::BufRead::fill_buf(&mut self.file) {
            return Err(self.failed(&error));
        }
        Ok(self.file.buffer())
    }

    /// Goes on behind so many buffered bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        io::BufRead::consume(&mut self.file, bytes);
        self.at += bytes as u64;
    }

    /// Fills the buffer as far as the file goes; says how far.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(&e)),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    /// Skips so many bytes, as far as the file goes; says how many there were.
    pub(super) fn pass(&mut self, bytes: u64) -> Result<u64, SourceError> {
        let mut left = bytes;
        while left > 0 {
            let here = self.peek()?.len();
            if here == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            self.skip(step);
            left -= step as u64;
        }
        Ok(bytes - left)
    }
}
