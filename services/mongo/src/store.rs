//! The port.

use stardust_pipeline::store::{
    BookPage, ChainHead, ChainedEvent, Checkpoint, Export, LegacyDocument, Letter, LetterState, Mark,
    ObservationDocument, Page, ReceiptDocuments, RegistryDocuments, Shelf, Store, StoreError, Won, Writer,
    Written,
};
use uuid::Uuid;

use crate::connect::MongoStore;

impl Store for MongoStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.make_indexes().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask_ping().await
    }

    async fn highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<i64>, StoreError> {
        self.read_highest_offset(topic, partition, from).await
    }

    async fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        self.read_observations_at(topic, partition, from, to).await
    }

    async fn written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Written>, StoreError> {
        self.read_written_at(topic, partition, from, to).await
    }

    async fn insert_observations(&self, documents: &[ObservationDocument]) -> Result<Vec<Won>, StoreError> {
        self.put_observations(documents).await
    }

    async fn observation_writers(&self, ids: &[Uuid]) -> Result<Vec<Option<Writer>>, StoreError> {
        self.writers(ids).await
    }

    async fn insert_letters(&self, letters: &[Letter]) -> Result<Vec<Won>, StoreError> {
        self.put_letters(letters).await
    }

    async fn close_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        self.close(shelf, ids).await
    }

    async fn letters(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<Option<Letter>>, StoreError> {
        self.read_letters(shelf, ids).await
    }

    async fn letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        self.read_letters_after(shelf, states, after, most).await
    }

    async fn mark_releasing(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<String>, StoreError> {
        self.release(shelf, ids).await
    }

    async fn keep_raw(&self, records: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.put_raw(records).await
    }

    async fn kept_raw(&self, receipt_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_raw(receipt_id).await
    }

    async fn insert_legacy(&self, documents: &[LegacyDocument]) -> Result<Vec<bool>, StoreError> {
        self.put_legacy(documents).await
    }

    async fn legacy_present(&self, ids: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        self.has_legacy(ids).await
    }

    async fn audit_present(&self, ids: &[Uuid]) -> Result<Vec<bool>, StoreError> {
        self.has_audit(ids).await
    }

    async fn of_receipt(&self, receipt_id: &str) -> Result<ReceiptDocuments, StoreError> {
        self.read_receipt(receipt_id).await
    }

    async fn chain_head(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        self.read_head(chain).await
    }

    async fn append_audit(&self, events: &[ChainedEvent]) -> Result<(), StoreError> {
        self.put_audit(events).await
    }

    async fn chains(&self) -> Result<Vec<i32>, StoreError> {
        self.read_chains().await
    }

    async fn chain_from(&self, chain: i32, seq: i64, most: usize) -> Result<Vec<ChainedEvent>, StoreError> {
        self.read_chain(chain, seq, most).await
    }

    async fn note_heads(&self, heads: &[(i32, ChainHead)]) -> Result<(), StoreError> {
        self.put_heads(heads).await
    }

    async fn noted_heads(&self) -> Result<Vec<(i32, ChainHead)>, StoreError> {
        self.read_heads().await
    }

    async fn put_checkpoints(&self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        self.keep_checkpoints(checkpoints).await
    }

    async fn checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        self.read_checkpoints(mark, chain, seq, most).await
    }

    async fn remove_cut(&self, chain: i32, most: usize) -> Result<u64, StoreError> {
        self.delete_cut(chain, most).await
    }

    async fn registry(&self) -> Result<RegistryDocuments, StoreError> {
        self.read_registry().await
    }

    async fn import_registry(&self, _documents: &RegistryDocuments) -> Result<(), StoreError> {
        Err(StoreError::Unusable(
            "the registry of MongoDB is only read: change amy_boxes, amy_devices and patients where they are kept"
                .to_owned(),
        ))
    }

    async fn export(&self, what: Export, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        self.page(what, after, most).await
    }

    async fn add_book_page(&self, page: &BookPage) -> Result<bool, StoreError> {
        self.put_book_page(page).await
    }

    async fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> Result<Vec<BookPage>, StoreError> {
        self.read_book_pages(topic, partition, from, most).await
    }

    async fn booked(&self, topic: &str, partition: i32) -> Result<Option<i64>, StoreError> {
        self.read_booked(topic, partition).await
    }

    async fn lease(&self, name: &str, holder: &str, seconds: u32) -> Result<bool, StoreError> {
        self.take_lease(name, holder, seconds).await
    }
}
