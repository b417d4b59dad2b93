//! Promises about the pages of the books.

use super::broken::{Kept, ensure_eq};
use super::store_ground::{StoreFixture, StoreGround};
use crate::store::{BookPage, Store};

fn page(topic: &str, partition: i32, from: i64, to: i64) -> BookPage {
    BookPage {
        topic: topic.to_owned(),
        partition,
        from,
        to,
        sums: format!(
            r#"{{"audit":{},"rows":[{{"gateway":"020000aa0001","open":[["r",null,true]]}}]}}"#,
            to - from
        ),
    }
}

fn same(found: &[BookPage], expected: &[BookPage]) -> bool {
    // Of the sums the content counts, not the spelling.
    let parts = |p: &BookPage| {
        let sums: Option<serde_json::Value> = serde_json::from_str(&p.sums).ok();
        (p.topic.clone(), p.partition, p.from, p.to, sums)
    };
    found.iter().map(parts).eq(expected.iter().map(parts))
}

pub(super) async fn a_page_of_the_books_is_written_once<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(store.booked(&topic, 3).await?, None, "no page yet");
    ensure_eq!(store.book_pages(&topic, 3, 0, 10).await?, vec![], "none to read");
    let first = page(&topic, 3, 0, 9);
    ensure_eq!(store.add_book_page(&first).await?, true, "it is new");
    let other = page(&topic, 3, 0, 5);
    ensure_eq!(store.add_book_page(&other).await?, false, "its place is taken");
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let (store, page) = (store.clone(), page(&topic, 3, 9, 20 + n));
            tokio::spawn(async move { store.add_book_page(&page).await })
        })
        .collect();
    let mut added = 0;
    for racer in racers {
        added += usize::from(racer.await??);
    }
    ensure_eq!(added, 1, "of those who race one adds it");
    let found = store.book_pages(&topic, 3, 0, 10).await?;
    ensure_eq!(found.len(), 2, "two places, two pages");
    ensure_eq!(same(&found[..1], &[first]), true, "the first writer's: {found:?}");
    ensure_eq!(
        store.booked(&topic, 3).await?,
        Some(found[1].to),
        "the end of the last"
    );
    Ok(())
}

pub(super) async fn pages_of_the_books_come_in_order<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let pages: Vec<BookPage> = [0, 7, 100, 2_000, 30_000_000_000]
        .windows(2)
        .map(|w| page(&topic, 3, w[0], w[1]))
        .collect();
    for page in pages.iter().rev() {
        store.add_book_page(page).await?;
    }
    store.add_book_page(&page(&topic, 4, 50, 60)).await?;
    store
        .add_book_page(&page(&format!("{topic}-other"), 3, 50, 60))
        .await?;
    let found = store.book_pages(&topic, 3, 0, 10).await?;
    ensure_eq!(same(&found, &pages), true, "all of this partition: {found:?}");
    let found = store.book_pages(&topic, 3, 7, 2).await?;
    ensure_eq!(
        same(&found, &pages[1..3]),
        true,
        "from an offset on, so many: {found:?}"
    );
    ensure_eq!(store.book_pages(&topic, 3, 0, 0).await?, vec![], "none");
    ensure_eq!(
        store.booked(&topic, 3).await?,
        Some(30_000_000_000),
        "the end of the last"
    );
    Ok(())
}
