//! Promises about dead letters and parked readings.

use super::broken::{Kept, ensure, ensure_eq};
use super::samples::{instant, letter, writer};
use super::store_ground::{StoreFixture, StoreGround};
use crate::store::{Letter, LetterState, Shelf, Store, Won};

const SHELVES: [Shelf; 2] = [Shelf::Dead, Shelf::Parked];

/// The letter once more, from a later record.
fn later(letter: &Letter, topic: &str, offset: i64) -> Letter {
    let mut writer = writer(topic, offset);
    writer.receipt_id.clone_from(&letter.writer.receipt_id);
    Letter {
        writer,
        stage: "mapping".into(),
        reason: "patient unknown".into(),
        field: Some("bp_low".into()),
        detail: None,
        device: None,
        mapping_version: "m2".into(),
        first_try: instant(offset),
        last_try: instant(offset),
        ..letter.clone()
    }
}

async fn one<S: Store>(store: &S, shelf: Shelf, id: &str) -> Result<Option<Letter>, super::Broken> {
    let mut found = store.letters(shelf, &[id.to_owned()]).await?;
    ensure_eq!(found.len(), 1, "one answer an id");
    Ok(found.remove(0))
}

pub(super) async fn the_first_writer_of_a_letter_wins<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(store.insert_letters(&[]).await?, vec![], "nothing to insert");
    for shelf in SHELVES {
        let first = letter(shelf, &topic, 1);
        let second = letter(shelf, &topic, 2);
        ensure_eq!(
            store.insert_letters(std::slice::from_ref(&first)).await?,
            vec![Won::Inserted],
            "absent"
        );
        let answers = store
            .insert_letters(&[second.clone(), later(&first, &topic, 9)])
            .await?;
        ensure_eq!(
            answers,
            vec![Won::Inserted, Won::Present(first.writer.clone())],
            "in order, with who won"
        );
        ensure_eq!(
            one(&store, shelf, &first.id).await?,
            Some(first),
            "an open letter stays as it is"
        );
    }
    Ok(())
}

pub(super) async fn every_field_of_a_letter_comes_back<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    for shelf in SHELVES {
        let full = letter(shelf, &topic, 1);
        let mut sparse = letter(shelf, &topic, 2);
        sparse.id = format!("{}:-", sparse.writer.receipt_id);
        sparse.writer.position.item = -1;
        sparse.field = None;
        sparse.detail = None;
        sparse.gateway = None;
        sparse.device = None;
        sparse.partial = true;
        sparse.last_try = instant(50);
        store.insert_letters(&[full.clone(), sparse.clone()]).await?;
        let ids = [sparse.id.clone(), "absent:0".into(), full.id.clone()];
        let back = store.letters(shelf, &ids).await?;
        ensure_eq!(
            back,
            vec![Some(sparse), None, Some(full)],
            "in the order of the ids"
        );
    }
    let on_dead = letter(Shelf::Dead, &topic, 7);
    store.insert_letters(std::slice::from_ref(&on_dead)).await?;
    ensure_eq!(
        one(&store, Shelf::Parked, &on_dead.id).await?,
        None,
        "shelves stand apart"
    );
    Ok(())
}

pub(super) async fn a_letter_opens_again_and_keeps_its_first_try<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    for shelf in SHELVES {
        let first = letter(shelf, &topic, 1);
        let id = std::slice::from_ref(&first.id);
        store.insert_letters(std::slice::from_ref(&first)).await?;
        for (round, closed) in [(20, false), (30, true)] {
            ensure_eq!(store.mark_releasing(shelf, id).await?, id, "it was open");
            if closed {
                ensure_eq!(store.close_letters(shelf, id).await?, 1, "closed");
            }
            let again = later(&first, &topic, round);
            ensure_eq!(
                store.insert_letters(std::slice::from_ref(&again)).await?,
                vec![Won::Inserted],
                "opening again counts as inserted"
            );
            let Some(found) = one(&store, shelf, &first.id).await? else {
                return Err(super::Broken("the letter is gone".into()));
            };
            ensure_eq!(found.state, LetterState::Open, "open again");
            ensure_eq!(found.writer, again.writer, "the new position");
            ensure_eq!(found.stage, again.stage, "the new stage");
            ensure_eq!(found.reason, again.reason, "the new reason");
            ensure_eq!(found.field, again.field, "the new field");
            ensure_eq!(found.detail, again.detail, "the new detail");
            ensure_eq!(found.device, again.device, "the new device, or none");
            ensure_eq!(found.mapping_version, again.mapping_version, "the new mapping");
            ensure_eq!(found.last_try, again.last_try, "the new last try");
            ensure_eq!(found.first_try, first.first_try, "the first try stays");
            ensure_eq!(
                store.insert_letters(std::slice::from_ref(&again)).await?,
                vec![Won::Present(again.writer.clone())],
                "the same record once more finds itself"
            );
        }
    }
    Ok(())
}

pub(super) async fn a_closed_letter_stays_closed_for_its_own_record<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    for shelf in SHELVES {
        let first = letter(shelf, &topic, 1);
        let id = std::slice::from_ref(&first.id);
        store.insert_letters(std::slice::from_ref(&first)).await?;
        store.close_letters(shelf, id).await?;
        ensure_eq!(
            store.insert_letters(std::slice::from_ref(&first)).await?,
            vec![Won::Present(first.writer.clone())],
            "it is there already"
        );
        let state = one(&store, shelf, &first.id).await?.map(|l| l.state);
        ensure_eq!(state, Some(LetterState::Closed), "and stays closed");
    }
    Ok(())
}

pub(super) async fn closing_counts_what_it_closed_on_its_shelf<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let letters: Vec<_> = (1..=3).map(|n| letter(Shelf::Parked, &topic, n)).collect();
    let twin = letter(Shelf::Dead, &topic, 1);
    store.insert_letters(&letters).await?;
    store.insert_letters(std::slice::from_ref(&twin)).await?;
    store
        .mark_releasing(Shelf::Parked, std::slice::from_ref(&letters[1].id))
        .await?;
    let ids: Vec<String> = letters[..2]
        .iter()
        .map(|l| l.id.clone())
        .chain(["absent:0".into()])
        .collect();
    ensure_eq!(
        store.close_letters(Shelf::Parked, &ids).await?,
        2,
        "open and releasing ones"
    );
    ensure_eq!(
        store.close_letters(Shelf::Parked, &ids).await?,
        0,
        "closed ones do not count again"
    );
    ensure_eq!(
        store.close_letters(Shelf::Parked, &[]).await?,
        0,
        "nothing to close"
    );
    let state = one(&store, Shelf::Parked, &letters[2].id).await?.map(|l| l.state);
    ensure_eq!(state, Some(LetterState::Open), "others stay");
    let state = one(&store, Shelf::Dead, &twin.id).await?.map(|l| l.state);
    ensure_eq!(state, Some(LetterState::Open), "the other shelf stays");
    ensure_eq!(
        store.close_letters(Shelf::Dead, &ids).await?,
        1,
        "the same id on the other shelf"
    );
    Ok(())
}

pub(super) async fn only_open_letters_are_released<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    for (shelf, other) in [(Shelf::Parked, Shelf::Dead), (Shelf::Dead, Shelf::Parked)] {
        let base = if shelf == Shelf::Parked { 0 } else { 10 };
        let (open, closed) = (letter(shelf, &topic, base + 1), letter(shelf, &topic, base + 2));
        let elsewhere = letter(other, &topic, base + 3);
        store.insert_letters(&[open.clone(), closed.clone()]).await?;
        store.insert_letters(std::slice::from_ref(&elsewhere)).await?;
        store
            .close_letters(shelf, std::slice::from_ref(&closed.id))
            .await?;
        let ids = [
            elsewhere.id.clone(),
            closed.id.clone(),
            open.id.clone(),
            "absent:0".into(),
        ];
        ensure_eq!(
            store.mark_releasing(shelf, &ids).await?,
            vec![open.id.clone()],
            "the open one"
        );
        ensure_eq!(
            store.mark_releasing(shelf, &ids).await?,
            Vec::<String>::new(),
            "not twice"
        );
        let state = one(&store, shelf, &open.id).await?.map(|l| l.state);
        ensure_eq!(state, Some(LetterState::Releasing), "it is on its way");
        let state = one(&store, other, &elsewhere.id).await?.map(|l| l.state);
        ensure_eq!(state, Some(LetterState::Open), "the other shelf stays");
    }
    Ok(())
}

/// The ids of one page of parked letters.
async fn page<S: Store>(
    store: &S,
    states: &[LetterState],
    after: Option<&str>,
    most: usize,
) -> Result<Vec<String>, super::Broken> {
    let found = store.letters_after(Shelf::Parked, states, after, most).await?;
    Ok(found.into_iter().map(|l| l.id).collect())
}

pub(super) async fn letters_come_in_pages_by_shelf_and_state<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let letters: Vec<_> = (0..10).map(|n| letter(Shelf::Parked, &topic, n)).collect();
    store.insert_letters(&letters).await?;
    store.insert_letters(&[letter(Shelf::Dead, &topic, 99)]).await?;
    let mut ids: Vec<_> = letters.iter().map(|l| l.id.clone()).collect();
    ids.sort();
    store.close_letters(Shelf::Parked, &ids[..2]).await?;
    store.mark_releasing(Shelf::Parked, &ids[2..4]).await?;
    ensure_eq!(
        page(&store, &[LetterState::Open], None, 4).await?,
        ids[4..8],
        "the first page of open ones"
    );
    ensure_eq!(
        page(&store, &[LetterState::Open], Some(&ids[7]), 4).await?,
        ids[8..],
        "the second"
    );
    ensure_eq!(
        page(&store, &[LetterState::Open], Some(&ids[9]), 4).await?,
        Vec::<String>::new(),
        "the end"
    );
    let both = [LetterState::Closed, LetterState::Releasing];
    ensure_eq!(
        page(&store, &both, None, 100).await?,
        ids[..4],
        "two states together, in the order of ids"
    );
    let found = store
        .letters_after(Shelf::Dead, &[LetterState::Open], None, 100)
        .await?;
    ensure!(
        found.len() == 1 && found[0].shelf == Shelf::Dead,
        "the other shelf"
    );
    Ok(())
}

pub(super) async fn the_raw_record_of_a_letter_is_kept_once<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let (a, b) = (format!("{topic}-a"), format!("{topic}-b"));
    store.keep_raw(&[]).await?;
    store.keep_raw(&[(a.clone(), bytes.clone())]).await?;
    store
        .keep_raw(&[(a.clone(), b"other".to_vec()), (b.clone(), Vec::new())])
        .await?;
    ensure!(
        store.kept_raw(&a).await?.as_ref() == Some(&bytes),
        "the first bytes stay"
    );
    ensure_eq!(
        store.kept_raw(&b).await?,
        Some(vec![]),
        "an empty record is one too"
    );
    ensure_eq!(store.kept_raw("absent").await?, None, "none where none was kept");
    Ok(())
}
