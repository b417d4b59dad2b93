//! A file on a thread of its own: cutting and decoding go on while what was cut is worked.

use std::path::PathBuf;

use stardust_pipeline::history::{Documents, SourceDocument, SourceError};
use tokio::sync::mpsc;

use super::cut::{Piece, Tape};
use super::folder::Decode;
use super::{bson, json};

/// Documents that are handed over at once, and the bytes after which there are no more of them.
const HANDED: usize = 200;
const HANDED_BYTES: usize = 1 << 20;
/// What may lie between the thread and its reader.
const AHEAD: usize = 1;

/// How a file is cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    Bson(Decode),
    Json(json::Form),
}

/// The documents of a file.
#[derive(Debug)]
pub struct FileDocuments {
    inbox: mpsc::Receiver<Result<Vec<SourceDocument>, SourceError>>,
    given: std::vec::IntoIter<SourceDocument>,
    failed: Option<SourceError>,
}

impl FileDocuments {
    /// Opens a file at an offset and starts to read.
    pub(super) fn open(path: PathBuf, cut: Cut, at: u64) -> Result<Self, SourceError> {
        let tape = Tape::open(&path, at)?;
        let (outbox, inbox) = mpsc::channel(AHEAD);
        std::thread::Builder::new()
            .name("stardust-source".into())
            .spawn(move || read(tape, cut, &outbox))
            .map_err(|e| SourceError::Unavailable(format!("no thread to read with: {e}")))?;
        Ok(Self {
            inbox,
            given: Vec::new().into_iter(),
            failed: None,
        })
    }
}

impl Documents for FileDocuments {
    async fn next(&mut self, most: usize, bytes: usize) -> Result<Vec<SourceDocument>, SourceError> {
        let mut taken = Vec::new();
        let mut size = 0;
        while taken.len() < most && (size < bytes || taken.is_empty()) {
            if let Some(document) = self.given.next() {
                size += document.text.as_ref().map_or(0, String::len);
                taken.push(document);
                continue;
            }
            // What was given before it broke off is given first.
            if let Some(error) = &self.failed {
                return if taken.is_empty() {
                    Err(error.clone())
                } else {
                    Ok(taken)
                };
            }
            match self.inbox.recv().await {
                Some(Ok(documents)) => self.given = documents.into_iter(),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
        }
        Ok(taken)
    }
}

fn read(mut tape: Tape, cut: Cut, outbox: &mpsc::Sender<Result<Vec<SourceDocument>, SourceError>>) {
    loop {
        let mut documents = Vec::new();
        let mut bytes = 0;
        let mut ended = None;
        while documents.len() < HANDED && bytes < HANDED_BYTES {
            match next(&mut tape, cut) {
                Ok(Some(document)) => {
                    bytes += document.text.as_ref().map_or(0, String::len);
                    documents.push(document);
                }
                Ok(None) => {
                    ended = Some(Ok(()));
                    break;
                }
                Err(error) => {
                    ended = Some(Err(error));
                    break;
                }
            }
        }
        // Where nobody listens any more there is nothing left to do.
        if !documents.is_empty() && outbox.blocking_send(Ok(documents)).is_err() {
            return;
        }
        match ended {
            None => {}
            Some(Ok(())) => return,
            Some(Err(error)) => {
                let _ = outbox.blocking_send(Err(error));
                return;
            }
        }
    }
}

fn next(tape: &mut Tape, cut: Cut) -> Result<Option<SourceDocument>, SourceError> {
    let start = tape.at;
    let piece = match cut {
        Cut::Bson(_) => bson::next(tape)?,
        Cut::Json(form) => json::next(tape, form)?,
    };
    let text = match (piece, cut) {
        (None, _) => return Ok(None),
        (Some(Piece::Broken), _) => None,
        (Some(Piece::Document(bytes)), Cut::Bson(decode)) => decode(&bytes),
        (Some(Piece::Document(bytes)), Cut::Json(_)) => String::from_utf8(bytes).ok(),
    };
    Ok(Some(SourceDocument {
        text,
        place: tape.at.to_string(),
        size: tape.at - start,
    }))
}
