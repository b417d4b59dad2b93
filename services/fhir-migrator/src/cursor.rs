//! A collection from its first document on, for whoever looks at it once more: where the source breaks off, it is opened
//! again behind the last document.

use stardust_pipeline::history::{Documents, Source, SourceDocument, SourceError};
use stardust_pipeline::patience::patiently;
use tokio::sync::{Mutex, watch};

const BYTES: usize = 1 << 20;

/// A place in a collection.
pub(crate) struct Cursor<'a, D: Source> {
    source: &'a D,
    collection: &'a str,
    stopping: &'a watch::Receiver<bool>,
    open: Mutex<Option<D::Documents>>,
    place: Option<String>,
}

impl<'a, D: Source> Cursor<'a, D> {
    /// Before the first document.
    pub(crate) fn new(source: &'a D, collection: &'a str, stopping: &'a watch::Receiver<bool>) -> Self {
        Self {
            source,
            collection,
            stopping,
            open: Mutex::new(None),
            place: None,
        }
    }

    /// The next documents; empty at the end.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Vec<SourceDocument>, SourceError> {
        let batch = patiently(self.stopping, || self.read(most)).await?;
        if let Some(last) = batch.last() {
            self.place = Some(last.place.clone());
        }
        Ok(batch)
    }

    async fn read(&self, most: usize) -> Result<Vec<SourceDocument>, SourceError> {
        let mut open = self.open.lock().await;
        let mut documents = match open.take() {
            Some(documents) => documents,
            None => self.source.open(self.collection, self.place.as_deref()).await?,
        };
        let batch = documents.next(most, BYTES).await?;
        *open = Some(documents);
        Ok(batch)
    }
}
