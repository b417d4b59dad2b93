//! Reads the source ahead, and has what was read worked on other threads, in order.

use std::sync::Arc;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::history::{Documents, Source, SourceDocument, SourceError};
use stardust_pipeline::worker::stopped;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::MigrateError;
use crate::entries::{Chunk, Workshop};
use crate::progress::CollectionProgress;

/// Most bytes of documents that are worked together (a single one may be larger).
const BYTES: usize = 1 << 20;
/// Batches that are worked or wait to be: two threads, and one in hand.
const AHEAD: usize = 1;
/// Chunks that a thread may be ahead.
const CHUNKS: usize = 2;

/// What comes of a source, in order.
pub(crate) enum Fed {
    /// A chunk of a collection.
    Chunk(usize, Chunk),
    /// A collection was read to its end.
    End(usize),
    /// A collection cannot be read on.
    Trouble(usize, SourceError),
}

/// The chunks of a batch, as they are made.
type Chunks = mpsc::Receiver<Result<Chunk, MigrateError>>;

enum Order {
    /// Chunks of documents, and the place behind the last of them.
    Work(usize, Chunks, String),
    End(usize),
    Trouble(usize, SourceError),
}

/// The source as chunks of records.
pub(crate) struct Feed {
    orders: mpsc::Receiver<Order>,
    open: Option<(usize, Chunks, String)>,
    reached: String,
}

impl Feed {
    /// Starts to read these collections, each at its place.
    pub(crate) fn start<D: Source>(
        source: D,
        workshop: Workshop,
        collections: Vec<CollectionProgress>,
        batch: usize,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (sender, orders) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let workshop = Arc::new(workshop);
            for (at, collection) in collections.into_iter().enumerate().filter(|(_, c)| !c.done) {
                let reader = Reader {
                    source: &source,
                    workshop: &workshop,
                    at,
                    collection: &collection.name,
                    batch,
                    orders: &sender,
                };
                let end = match reader.read(collection.place, stopping.clone()).await {
                    Ok(true) => Order::End(at),
                    Ok(false) => return,
                    Err(error) => Order::Trouble(at, error),
                };
                if sender.send(end).await.is_err() {
                    return;
                }
            }
        });
        Self {
            orders,
            open: None,
            reached: String::new(),
        }
    }

    /// The next piece; none at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Fed>, MigrateError> {
        loop {
            if let Some((at, chunks, last)) = &mut self.open {
                match chunks.recv().await {
                    Some(chunk) => {
                        let chunk = chunk?;
                        if let Some(step) = &chunk.step {
                            self.reached.clone_from(&step.place);
                        }
                        return Ok(Some(Fed::Chunk(*at, chunk)));
                    }
                    // What is missing here would be skipped for good.
                    None if self.reached != *last => {
                        return Err(MigrateError::Broken(
                            "documents were not worked to their end".to_owned(),
                        ));
                    }
                    None => self.open = None,
                }
            }
            match self.orders.recv().await {
                None => return Ok(None),
                Some(Order::Work(at, chunks, last)) => self.open = Some((at, chunks, last)),
                Some(Order::End(at)) => return Ok(Some(Fed::End(at))),
                Some(Order::Trouble(at, error)) => return Ok(Some(Fed::Trouble(at, error))),
            }
        }
    }
}

struct Reader<'a, D> {
    source: &'a D,
    workshop: &'a Arc<Workshop>,
    at: usize,
    collection: &'a str,
    batch: usize,
    orders: &'a mpsc::Sender<Order>,
}

impl<D: Source> Reader<'_, D> {
    /// Reads a collection from a place on; false where nobody wants more.
    async fn read(
        &self,
        mut place: Option<String>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<bool, SourceError> {
        let mut backoff = Backoff::default();
        loop {
            match self.read_on(&mut place, &mut backoff).await {
                Err(error) if error.is_retriable() => {
                    if backoff.tries() == 0 {
                        tracing::warn!("waiting for the source: {error}");
                    }
                    tokio::select! {
                        biased;
                        () = stopped(&mut stopping) => return Ok(false),
                        () = sleep(backoff.next_wait()) => {}
                    }
                }
                done => return done,
            }
        }
    }

    async fn read_on(&self, place: &mut Option<String>, backoff: &mut Backoff) -> Result<bool, SourceError> {
        let mut documents = self.source.open(self.collection, place.as_deref()).await?;
        loop {
            let batch = documents.next(self.batch, BYTES).await?;
            *backoff = Backoff::default();
            let Some(last) = batch.last().map(|d| d.place.clone()) else {
                return Ok(true);
            };
            *place = Some(last.clone());
            let (chunks, inbox) = mpsc::channel(CHUNKS);
            if self.orders.send(Order::Work(self.at, inbox, last)).await.is_err() {
                return Ok(false);
            }
            self.work(batch, chunks);
        }
    }

    fn work(&self, batch: Vec<SourceDocument>, chunks: mpsc::Sender<Result<Chunk, MigrateError>>) {
        let (workshop, collection) = (Arc::clone(self.workshop), self.collection.to_owned());
        tokio::task::spawn_blocking(move || {
            let hand_over = |chunk| chunks.blocking_send(Ok(chunk)).is_ok();
            if let Err(error) = workshop.work(&collection, &batch, hand_over) {
                // Where nobody listens any more, nobody needs to know.
                let _ = chunks.blocking_send(Err(error.into()));
            }
        });
    }
}
