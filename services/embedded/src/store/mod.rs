//! The store: documents as JSON text, beside the columns that are asked for.

mod alike;
mod amend;
mod associations;
mod audit;
mod books;
mod checkpoints;
mod exports;
mod letters;
mod observations;
mod resources;
mod rest;
mod rows;
mod runs;

use std::sync::Arc;

use stardust_pipeline::store::{
    BookPage, ChainHead, ChainedEvent, Checkpoint, Export, LegacyDocument, Letter, LetterState, Mark,
    ObservationDocument, Page, ReceiptDocuments, RegistryDocuments, Shelf, Store, StoreError, Won, Writer,
    Written,
};
use uuid::Uuid;

use crate::error::DbError;
use crate::shared::Shared;

/// The store of an opened data folder.
#[derive(Clone)]
pub struct EmbeddedStore {
    pub(crate) shared: Arc<Shared>,
}

impl EmbeddedStore {
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared
            .write(move |unit| Ok::<_, StoreError>(work(unit.conn)?))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared
            .read(move |conn| Ok::<_, StoreError>(work(conn)?))
            .await
    }
}

impl Store for EmbeddedStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        // The tables are there from the moment the file is.
        self.ping().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| Ok(conn.query_row("SELECT count(*) FROM spool_level", [], |_| Ok(()))?))
            .await
    }

    async fn highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<i64>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |conn| observations::highest_offset(conn, &topic, partition, from))
            .await
    }

    async fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |conn| observations::at(conn, &topic, partition, from, to))
            .await
    }

    async fn written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Written>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |conn| observations::written(conn, &topic, partition, from, to))
            .await
    }

    async fn insert_observations(&self, documents: &[ObservationDocument]) -> Result<Vec<Won>, StoreError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let documents = documents.to_vec();
        self.write(move |conn| observations::insert(conn, &documents))
            .await
    }

    async fn observation_writers(&self, ids: &[Uuid]) -> Result<Vec<Option<Writer>>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| observations::writers(conn, &ids)).await
    }

    async fn insert_letters(&self, letters: &[Letter]) -> Result<Vec<Won>, StoreError> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let letters = letters.to_vec();
        self.write(move |conn| letters::insert(conn, &letters)).await
    }

    async fn close_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = ids.to_vec();
        self.write(move |conn| letters::close(conn, shelf, &ids)).await
    }

    async fn letters(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<Option<Letter>>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| letters::by_id(conn, shelf, &ids)).await
    }

    async fn letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let (states, after) = (states.to_vec(), after.map(str::to_owned));
        self.read(move |conn| letters::after(conn, shelf, &states, after.as_deref(), most))
            .await
    }

    async fn mark_releasing(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<String>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        self.write(move |conn| letters::mark_releasing(conn, shelf, ids))
            .await
    }

    async fn keep_raw(&self, records: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let records = records.to_vec();
        self.write(move |conn| letters::keep_raw(conn, &records)).await
    }

    async fn kept_raw(&self, receipt_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let receipt_id = receipt_id.to_owned();
        self.read(move |conn| letters::kept_raw(conn, &receipt_id)).await
    }

    async fn insert_legacy(&self, documents: &[LegacyDocument]) -> Result<Vec<bool>, StoreError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let documents = documents.to_vec();
        self.write(move |conn| rest::insert_legacy(conn, &documents))
            .await
    }

    async fn legacy_present(&self, ids: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| rest::legacy_present(conn, &ids)).await
    }

    async fn audit_present(&self, ids: &[Uuid]) -> Result<Vec<bool>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| audit::present(conn, &ids)).await
    }

    async fn of_receipt(&self, receipt_id: &str) -> Result<ReceiptDocuments, StoreError> {
        let receipt_id = receipt_id.to_owned();
        self.read(move |conn| {
            Ok(ReceiptDocuments {
                observations: observations::of_receipt(conn, &receipt_id)?,
                letters: letters::of_receipt(conn, &receipt_id)?,
                audit: audit::of_receipt(conn, &receipt_id)?,
            })
        })
        .await
    }

    async fn chain_head(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        self.read(move |conn| audit::head(conn, chain)).await
    }

    async fn append_audit(&self, events: &[ChainedEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let events = events.to_vec();
        self.shared
            .write(move |unit| audit::append(unit.conn, &events))
            .await
    }

    async fn chains(&self) -> Result<Vec<i32>, StoreError> {
        self.read(audit::chains).await
    }

    async fn chain_from(&self, chain: i32, seq: i64, most: usize) -> Result<Vec<ChainedEvent>, StoreError> {
        self.read(move |conn| audit::from(conn, chain, seq, most)).await
    }

    async fn note_heads(&self, heads: &[(i32, ChainHead)]) -> Result<(), StoreError> {
        if heads.is_empty() {
            return Ok(());
        }
        let heads = heads.to_vec();
        self.write(move |conn| checkpoints::note_heads(conn, &heads))
            .await
    }

    async fn noted_heads(&self) -> Result<Vec<(i32, ChainHead)>, StoreError> {
        self.read(checkpoints::noted_heads).await
    }

    async fn put_checkpoints(&self, signed: &[Checkpoint]) -> Result<(), StoreError> {
        if signed.is_empty() {
            return Ok(());
        }
        let signed = signed.to_vec();
        self.write(move |conn| checkpoints::put(conn, &signed)).await
    }

    async fn checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(move |conn| checkpoints::from(conn, mark, chain, seq, most))
            .await
    }

    async fn remove_cut(&self, chain: i32, most: usize) -> Result<u64, StoreError> {
        self.write(move |conn| checkpoints::remove_cut(conn, chain, most))
            .await
    }

    async fn registry(&self) -> Result<RegistryDocuments, StoreError> {
        self.read(rest::registry).await
    }

    async fn import_registry(&self, documents: &RegistryDocuments) -> Result<(), StoreError> {
        let documents = documents.clone();
        self.write(move |conn| rest::import_registry(conn, &documents))
            .await
    }

    async fn export(&self, what: Export, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        let after = after.map(str::to_owned);
        self.read(move |conn| exports::page(conn, what, after.as_deref(), most))
            .await
    }

    async fn add_book_page(&self, page: &BookPage) -> Result<bool, StoreError> {
        let page = page.clone();
        self.write(move |conn| books::add(conn, &page)).await
    }

    async fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> Result<Vec<BookPage>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |conn| books::pages(conn, &topic, partition, from, most))
            .await
    }

    async fn booked(&self, topic: &str, partition: i32) -> Result<Option<i64>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |conn| books::booked(conn, &topic, partition))
            .await
    }

    async fn lease(&self, name: &str, holder: &str, seconds: u32) -> Result<bool, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |conn| rest::lease(conn, &name, &holder, seconds))
            .await
    }
}
