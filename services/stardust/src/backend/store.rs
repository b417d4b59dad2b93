//! The store that was chosen.

use stardust_pipeline::store::{
    BookPage, ChainHead, ChainedEvent, Checkpoint, Export, LegacyDocument, Letter, LetterState, Mark,
    ObservationDocument, Page, ReceiptDocuments, RegistryDocuments, Shelf, Store, StoreError, Won, Writer,
    Written,
};
use uuid::Uuid;

use super::AnyStore;

impl Store for AnyStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.prepare().await,
            Self::Embedded(store) => store.prepare().await,
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.ping().await,
            Self::Embedded(store) => store.ping().await,
        }
    }

    async fn highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Mongo(store) => store.highest_offset(topic, partition, from).await,
            Self::Embedded(store) => store.highest_offset(topic, partition, from).await,
        }
    }

    async fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        match self {
            Self::Mongo(store) => store.observations_at(topic, partition, from, to).await,
            Self::Embedded(store) => store.observations_at(topic, partition, from, to).await,
        }
    }

    async fn written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Written>, StoreError> {
        match self {
            Self::Mongo(store) => store.written_at(topic, partition, from, to).await,
            Self::Embedded(store) => store.written_at(topic, partition, from, to).await,
        }
    }

    async fn insert_observations(&self, documents: &[ObservationDocument]) -> Result<Vec<Won>, StoreError> {
        match self {
            Self::Mongo(store) => store.insert_observations(documents).await,
            Self::Embedded(store) => store.insert_observations(documents).await,
        }
    }

    async fn observation_writers(&self, ids: &[Uuid]) -> Result<Vec<Option<Writer>>, StoreError> {
        match self {
            Self::Mongo(store) => store.observation_writers(ids).await,
            Self::Embedded(store) => store.observation_writers(ids).await,
        }
    }

    async fn insert_letters(&self, letters: &[Letter]) -> Result<Vec<Won>, StoreError> {
        match self {
            Self::Mongo(store) => store.insert_letters(letters).await,
            Self::Embedded(store) => store.insert_letters(letters).await,
        }
    }

    async fn close_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.close_letters(shelf, ids).await,
            Self::Embedded(store) => store.close_letters(shelf, ids).await,
        }
    }

    async fn letters(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<Option<Letter>>, StoreError> {
        match self {
            Self::Mongo(store) => store.letters(shelf, ids).await,
            Self::Embedded(store) => store.letters(shelf, ids).await,
        }
    }

    async fn letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        match self {
            Self::Mongo(store) => store.letters_after(shelf, states, after, most).await,
            Self::Embedded(store) => store.letters_after(shelf, states, after, most).await,
        }
    }

    async fn mark_releasing(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Mongo(store) => store.mark_releasing(shelf, ids).await,
            Self::Embedded(store) => store.mark_releasing(shelf, ids).await,
        }
    }

    async fn keep_raw(&self, records: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.keep_raw(records).await,
            Self::Embedded(store) => store.keep_raw(records).await,
        }
    }

    async fn kept_raw(&self, receipt_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Mongo(store) => store.kept_raw(receipt_id).await,
            Self::Embedded(store) => store.kept_raw(receipt_id).await,
        }
    }

    async fn insert_legacy(&self, documents: &[LegacyDocument]) -> Result<Vec<bool>, StoreError> {
        match self {
            Self::Mongo(store) => store.insert_legacy(documents).await,
            Self::Embedded(store) => store.insert_legacy(documents).await,
        }
    }

    async fn legacy_present(&self, ids: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        match self {
            Self::Mongo(store) => store.legacy_present(ids).await,
            Self::Embedded(store) => store.legacy_present(ids).await,
        }
    }

    async fn audit_present(&self, ids: &[Uuid]) -> Result<Vec<bool>, StoreError> {
        match self {
            Self::Mongo(store) => store.audit_present(ids).await,
            Self::Embedded(store) => store.audit_present(ids).await,
        }
    }

    async fn of_receipt(&self, receipt_id: &str) -> Result<ReceiptDocuments, StoreError> {
        match self {
            Self::Mongo(store) => store.of_receipt(receipt_id).await,
            Self::Embedded(store) => store.of_receipt(receipt_id).await,
        }
    }

    async fn chain_head(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        match self {
            Self::Mongo(store) => store.chain_head(chain).await,
            Self::Embedded(store) => store.chain_head(chain).await,
        }
    }

    async fn append_audit(&self, events: &[ChainedEvent]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.append_audit(events).await,
            Self::Embedded(store) => store.append_audit(events).await,
        }
    }

    async fn chains(&self) -> Result<Vec<i32>, StoreError> {
        match self {
            Self::Mongo(store) => store.chains().await,
            Self::Embedded(store) => store.chains().await,
        }
    }

    async fn chain_from(&self, chain: i32, seq: i64, most: usize) -> Result<Vec<ChainedEvent>, StoreError> {
        match self {
            Self::Mongo(store) => store.chain_from(chain, seq, most).await,
            Self::Embedded(store) => store.chain_from(chain, seq, most).await,
        }
    }

    async fn note_heads(&self, heads: &[(i32, ChainHead)]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.note_heads(heads).await,
            Self::Embedded(store) => store.note_heads(heads).await,
        }
    }

    async fn noted_heads(&self) -> Result<Vec<(i32, ChainHead)>, StoreError> {
        match self {
            Self::Mongo(store) => store.noted_heads().await,
            Self::Embedded(store) => store.noted_heads().await,
        }
    }

    async fn put_checkpoints(&self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.put_checkpoints(checkpoints).await,
            Self::Embedded(store) => store.put_checkpoints(checkpoints).await,
        }
    }

    async fn checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        match self {
            Self::Mongo(store) => store.checkpoints(mark, chain, seq, most).await,
            Self::Embedded(store) => store.checkpoints(mark, chain, seq, most).await,
        }
    }

    async fn remove_cut(&self, chain: i32, most: usize) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.remove_cut(chain, most).await,
            Self::Embedded(store) => store.remove_cut(chain, most).await,
        }
    }

    async fn registry(&self) -> Result<RegistryDocuments, StoreError> {
        match self {
            Self::Mongo(store) => store.registry().await,
            Self::Embedded(store) => store.registry().await,
        }
    }

    async fn import_registry(&self, documents: &RegistryDocuments) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.import_registry(documents).await,
            Self::Embedded(store) => store.import_registry(documents).await,
        }
    }

    async fn export(&self, what: Export, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        match self {
            Self::Mongo(store) => store.export(what, after, most).await,
            Self::Embedded(store) => store.export(what, after, most).await,
        }
    }

    async fn add_book_page(&self, page: &BookPage) -> Result<bool, StoreError> {
        match self {
            Self::Mongo(store) => store.add_book_page(page).await,
            Self::Embedded(store) => store.add_book_page(page).await,
        }
    }

    async fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> Result<Vec<BookPage>, StoreError> {
        match self {
            Self::Mongo(store) => store.book_pages(topic, partition, from, most).await,
            Self::Embedded(store) => store.book_pages(topic, partition, from, most).await,
        }
    }

    async fn booked(&self, topic: &str, partition: i32) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Mongo(store) => store.booked(topic, partition).await,
            Self::Embedded(store) => store.booked(topic, partition).await,
        }
    }

    async fn lease(&self, name: &str, holder: &str, seconds: u32) -> Result<bool, StoreError> {
        match self {
            Self::Mongo(store) => store.lease(name, holder, seconds).await,
            Self::Embedded(store) => store.lease(name, holder, seconds).await,
        }
    }
}
