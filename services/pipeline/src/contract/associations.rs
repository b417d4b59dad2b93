//! Promises about who had a device when.

use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::registry::{Associations, Changes, DeviceKind, Holding, Named, Period};
use stardust_domain::time::Timestamp;

use super::broken::{Kept, ensure, ensure_eq};
use super::store_ground::{StoreFixture, StoreGround};
use crate::associations::AssociationStore;
use crate::store::StoreError;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_772_323_200_123 + seconds * 1_000)
}

fn device(number: u8) -> Result<Mac, super::Broken> {
    format!("020000bb00{number:02x}")
        .parse()
        .map_err(|_| super::Broken("an address".into()))
}

fn patient(number: u8) -> PatientId {
    PatientId::from_bytes([0x65, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

fn stay(number: u32, owner: u8, from: i64) -> Result<Holding, super::Broken> {
    Ok(Holding {
        device: device(1)?,
        kind: DeviceKind::BloodPressure,
        number,
        patient: patient(owner),
        from: at(from),
        until: None,
    })
}

fn sorted(mut kept: Associations) -> Associations {
    kept.holdings.sort_unstable();
    kept.imported.sort_unstable();
    kept.named.sort_unstable();
    kept
}

/// Closes the first stay and begins the second.
fn change(until: i64, owner: u8, from: i64) -> Result<Changes, super::Broken> {
    Ok(Changes {
        closed: vec![Holding {
            until: Some(at(until)),
            ..stay(1, 1, 0)?
        }],
        opened: vec![stay(2, owner, from)?],
    })
}

pub(super) async fn what_refreshes_saw_comes_back<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture<Store: AssociationStore>,
{
    let (store, _) = ground.store().await?;
    let mut expected = Associations::default();
    ensure_eq!(store.associations().await?, expected, "nothing is kept at first");
    let mut first = Changes::default();
    for (number, kind) in (1..).zip(DeviceKind::ALL) {
        first.opened.push(Holding {
            device: device(number)?,
            kind: *kind,
            ..stay(1, number, 0)?
        });
    }
    store.note_refresh(&first, None, at(0)).await?;
    expected.note(&first, at(0));
    ensure_eq!(
        sorted(store.associations().await?),
        sorted(expected.clone()),
        "stays of every kind"
    );
    store
        .note_refresh(&Changes::default(), Some(at(0)), at(30))
        .await?;
    let second = change(30, 9, 61)?;
    store.note_refresh(&second, Some(at(30)), at(60)).await?;
    expected.note(&second, at(60));
    ensure_eq!(
        sorted(store.associations().await?),
        sorted(expected),
        "one has ended, another has begun"
    );
    Ok(())
}

pub(super) async fn a_refresh_that_was_overtaken_adds_nothing<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture<Store: AssociationStore>,
{
    let (store, _) = ground.store().await?;
    let first = Changes {
        closed: Vec::new(),
        opened: vec![stay(1, 1, 0)?],
    };
    store.note_refresh(&first, None, at(0)).await?;
    let again = store.note_refresh(&first, None, at(10)).await;
    ensure!(
        matches!(again, Err(StoreError::Conflict(_))),
        "a second first refresh: {again:?}"
    );
    let changed = change(0, 2, 31)?;
    store.note_refresh(&changed, Some(at(0)), at(30)).await?;
    let kept = sorted(store.associations().await?);
    let late = store.note_refresh(&change(0, 3, 20)?, Some(at(0)), at(19)).await;
    ensure!(
        matches!(late, Err(StoreError::Conflict(_))),
        "one of long ago: {late:?}"
    );
    ensure_eq!(sorted(store.associations().await?), kept, "nothing of it is kept");
    // What is there stays as it is: a part of this may have been kept in a try before.
    store
        .note_refresh(&change(20, 3, 60)?, Some(at(30)), at(60))
        .await?;
    let after = sorted(store.associations().await?);
    ensure_eq!(after.holdings, kept.holdings, "ends and beginnings stay");
    ensure_eq!(after.refreshed, Some(at(60)), "the refresh goes forward");
    Ok(())
}

pub(super) async fn an_import_of_periods_takes_the_place_of_the_one_before<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture<Store: AssociationStore>,
{
    let (store, _) = ground.store().await?;
    let period = |number: u8, start: Option<i64>, end: Option<i64>| {
        Ok::<_, super::Broken>(Period {
            device: device(number)?,
            patient: patient(number),
            start: start.map(at),
            end: end.map(at),
        })
    };
    let first = vec![
        period(1, None, Some(0))?,
        period(1, Some(0), Some(60))?,
        period(2, Some(5), None)?,
        period(3, None, None)?,
    ];
    store.import_periods(&first, at(100)).await?;
    let kept = store.associations().await?;
    ensure_eq!(kept.imported, first, "every field of every period, in order");
    ensure_eq!(kept.imported_at, Some(at(100)), "when they were imported");
    ensure_eq!(kept.refreshed, None, "an import is no refresh");
    let second = vec![period(7, Some(1), Some(2))?];
    store.import_periods(&second, at(200)).await?;
    let kept = store.associations().await?;
    ensure_eq!(kept.imported, second, "those of the last import");
    ensure_eq!(kept.imported_at, Some(at(200)), "the last import");
    store.import_periods(&[], at(300)).await?;
    ensure_eq!(store.associations().await?.imported, Vec::new(), "none any more");
    Ok(())
}

pub(super) async fn the_patient_who_was_named_last_counts<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture<Store: AssociationStore>,
{
    let (store, _) = ground.store().await?;
    let named = |number: u8, second: i64, owner: u8| {
        Ok::<_, super::Broken>(Named {
            device: device(number)?,
            at: Timestamp::from_seconds(1_772_323_200 + second),
            patient: patient(owner),
        })
    };
    let first = vec![named(1, 0, 1)?, named(1, 1, 1)?, named(2, 0, 1)?];
    store.name_patients(&first).await?;
    ensure_eq!(sorted(store.associations().await?).named, first, "all are kept");
    store.name_patients(&[named(1, 1, 2)?]).await?;
    let expected = vec![named(1, 0, 1)?, named(1, 1, 2)?, named(2, 0, 1)?];
    ensure_eq!(
        sorted(store.associations().await?).named,
        expected,
        "the last name of each counts"
    );
    store.name_patients(&[]).await?;
    Ok(())
}
