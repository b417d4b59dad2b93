//! Promises about migration runs and what they wrote.

use stardust_domain::ids::uuid_of;
use stardust_domain::time::Timestamp;

use super::broken::{Kept, ensure_eq};
use super::runner::{Report, promises, run_all};
use super::samples::{instant, letter, observation};
use super::store_ground::{StoreFixture, StoreGround};
use crate::runs::{Retractions, Run, RunState, Runs};
use crate::store::{ObservationDocument, Shelf, Store};

/// Holds a store of runs to every promise.
pub async fn runs_contract<F>(fixture: F) -> Report
where
    F: StoreFixture,
    F::Store: Runs + Retractions,
{
    let at_once = fixture.at_once();
    run_all(
        StoreGround::new(fixture),
        at_once,
        promises![
            a_run_is_added_once_and_comes_back_whole,
            a_run_is_saved_by_who_read_its_newest_version,
            what_a_run_wrote_is_found_and_removed_and_nothing_else,
            a_marked_run_is_retracted,
            removed_letters_and_raw_records_are_gone_and_can_come_again,
            letters_are_swept_by_their_places,
        ],
    )
    .await
}

fn run(id: &str, n: i64) -> Run {
    Run {
        id: id.to_owned(),
        kind: "histories".into(),
        source: "MongoDB (AMY)".into(),
        state: RunState::Running,
        started: instant(n),
        updated: Timestamp::from_micros(instant(n + 1).micros() + 7),
        version: 1,
        progress: r#"{"collections":[{"entries":30000000000,"name":"blood_sugar_histories","place":"{\"$oid\":\"65a0\"}"}],"none":null}"#.into(),
    }
}

fn written(topic: &str, n: i64, of: Option<&str>) -> ObservationDocument {
    ObservationDocument {
        migration_run: of.map(str::to_owned),
        ..observation(topic, n)
    }
}

async fn a_run_is_added_once_and_comes_back_whole<F: StoreFixture>(ground: StoreGround<F>) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, _) = ground.store().await?;
    ensure_eq!(store.run("a").await?, None, "nobody has added it");
    let (first, second) = (run("a", 5), run("b", 3));
    ensure_eq!(store.add_run(&first).await?, true, "it is new");
    let other = Run {
        source: "elsewhere".into(),
        ..first.clone()
    };
    ensure_eq!(store.add_run(&other).await?, false, "its id is taken");
    ensure_eq!(store.run("a").await?, Some(first.clone()), "the first one");
    ensure_eq!(store.add_run(&second).await?, true, "another id");
    ensure_eq!(
        store.runs().await?,
        vec![second, first],
        "in the order of their starts"
    );
    Ok(())
}

async fn a_run_is_saved_by_who_read_its_newest_version<F: StoreFixture>(ground: StoreGround<F>) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, _) = ground.store().await?;
    let mut mine = run("a", 0);
    ensure_eq!(store.save_run(&mine).await?, false, "it is not there");
    store.add_run(&mine).await?;
    let theirs = mine.clone();
    mine.state = RunState::Stopped;
    mine.updated = instant(9);
    mine.progress = r#"{"collections":[]}"#.into();
    ensure_eq!(store.save_run(&mine).await?, true, "nobody else saved it");
    ensure_eq!(store.save_run(&theirs).await?, false, "it is a version behind");
    mine.version += 1;
    ensure_eq!(store.run("a").await?, Some(mine.clone()), "as it was saved");
    ensure_eq!(store.save_run(&mine).await?, true, "and again");
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let (store, run) = (
                store.clone(),
                Run {
                    version: 3,
                    ..mine.clone()
                },
            );
            tokio::spawn(async move { store.save_run(&run).await })
        })
        .collect();
    let mut saved = 0;
    for racer in racers {
        saved += usize::from(racer.await??);
    }
    ensure_eq!(saved, 1, "of those who race one saves");
    Ok(())
}

async fn what_a_run_wrote_is_found_and_removed_and_nothing_else<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, topic) = ground.store().await?;
    let mine: Vec<_> = (0..5).map(|n| written(&topic, n, Some("a"))).collect();
    let others = [written(&topic, 10, Some("b")), written(&topic, 11, None)];
    store.insert_observations(&mine).await?;
    store.insert_observations(&others).await?;
    let mut ids: Vec<_> = mine.iter().map(|d| d.id).collect();
    ids.sort_unstable();
    let first = store.written_by_run("a", None, 3).await?;
    ensure_eq!(first.iter().map(|d| d.id).collect::<Vec<_>>(), ids[..3], "a page");
    let rest = store.written_by_run("a", Some(ids[2]), 10).await?;
    ensure_eq!(
        rest.iter().map(|d| d.id).collect::<Vec<_>>(),
        ids[3..],
        "the rest"
    );
    let one = &mine[0];
    let found = first.iter().chain(&rest).find(|d| d.id == one.id);
    ensure_eq!(
        found.map(|d| (
            d.main,
            d.patient.clone(),
            d.writer.clone(),
            &d.status,
            &d.raw_item
        )),
        Some((
            true,
            one.patient.to_string(),
            one.writer.clone(),
            &one.status,
            &one.raw_item
        )),
        "with its writer"
    );
    let asked = [one.id, uuid_of("nobody"), others[1].id, one.id];
    let read = store.observations_by_id(&asked).await?;
    let expected = [
        Some(one.clone()),
        None,
        Some(others[1].clone()),
        Some(one.clone()),
    ];
    ensure_eq!(read.as_slice(), expected.as_slice(), "one answer each");
    let all: Vec<_> = ids.iter().copied().chain(others.iter().map(|d| d.id)).collect();
    ensure_eq!(store.remove_written("a", &all[1..]).await?, 4, "only its own");
    ensure_eq!(store.remove_written("a", &all[1..]).await?, 0, "once");
    ensure_eq!(store.sweep("a").await?, 1, "what is left");
    ensure_eq!(store.sweep("a").await?, 0, "nothing");
    let left = store.observations_by_id(&all).await?;
    ensure_eq!(left.iter().flatten().count(), 2, "what others wrote stays");
    Ok(())
}

async fn a_marked_run_is_retracted<F: StoreFixture>(ground: StoreGround<F>) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, _) = ground.store().await?;
    let ids: Vec<String> = RunState::ALL.iter().map(|s| s.label().to_owned()).collect();
    ensure_eq!(
        store.retracted(&ids).await?,
        Vec::<String>::new(),
        "there are none"
    );
    for state in RunState::ALL {
        let run = Run {
            state: *state,
            ..run(state.label(), 0)
        };
        store.add_run(&run).await?;
    }
    let mut found = store.retracted(&ids).await?;
    found.sort_unstable();
    ensure_eq!(found, vec!["rolled-back", "rolling-back"], "only marked ones");
    let one = ["finished".to_owned(), "nobody".to_owned()];
    ensure_eq!(
        store.retracted(&one).await?,
        Vec::<String>::new(),
        "neither of these"
    );
    Ok(())
}

async fn removed_letters_and_raw_records_are_gone_and_can_come_again<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, topic) = ground.store().await?;
    let letters = [
        letter(Shelf::Dead, &topic, 1),
        letter(Shelf::Parked, &topic, 1),
        letter(Shelf::Dead, &topic, 2),
    ];
    store.insert_letters(&letters).await?;
    let receipt = letters[0].writer.receipt_id.clone();
    store.keep_raw(&[(receipt.clone(), b"first".to_vec())]).await?;
    let ids = [letters[0].id.clone(), "nobody".to_owned()];
    ensure_eq!(store.remove_letters(Shelf::Dead, &ids).await?, 1, "of one shelf");
    store.remove_raw(std::slice::from_ref(&receipt)).await?;
    ensure_eq!(store.letters(Shelf::Dead, &ids[..1]).await?, vec![None], "gone");
    ensure_eq!(store.kept_raw(&receipt).await?, None, "gone");
    let parked = store.letters(Shelf::Parked, &ids[..1]).await?;
    ensure_eq!(
        parked,
        vec![Some(letters[1].clone())],
        "the other shelf is as it was"
    );
    store.keep_raw(&[(receipt.clone(), b"second".to_vec())]).await?;
    ensure_eq!(
        store.kept_raw(&receipt).await?,
        Some(b"second".to_vec()),
        "it is new"
    );
    Ok(())
}

async fn letters_are_swept_by_their_places<F: StoreFixture>(ground: StoreGround<F>) -> Kept
where
    F::Store: Runs + Retractions,
{
    let (store, topic) = ground.store().await?;
    let letters: Vec<_> = (0..4)
        .map(|n| letter(if n % 2 == 0 { Shelf::Dead } else { Shelf::Parked }, &topic, n))
        .collect();
    store.insert_letters(&letters).await?;
    let raws: Vec<_> = letters
        .iter()
        .map(|l| (l.writer.receipt_id.clone(), b"raw".to_vec()))
        .collect();
    store.keep_raw(&raws).await?;
    store.sweep_letters(&[]).await?;
    let at = |n: i64| (topic.clone(), 3, n);
    store
        .sweep_letters(&[
            at(0),
            at(1),
            at(77),
            (topic.clone(), 4, 2),
            ("other".into(), 3, 3),
        ])
        .await?;
    for (n, letter) in letters.iter().enumerate() {
        let found = store
            .letters(letter.shelf, std::slice::from_ref(&letter.id))
            .await?;
        ensure_eq!(found[0].is_some(), n >= 2, "letter {n}");
        let raw = store.kept_raw(&letter.writer.receipt_id).await?;
        ensure_eq!(raw.is_some(), n >= 2, "raw record {n}");
    }
    Ok(())
}
