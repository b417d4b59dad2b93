//! Promises about Observations that are found by patient and time.

use super::broken::{Kept, ensure_eq};
use super::samples::{instant, observation, patient};
use super::store_ground::{StoreFixture, StoreGround};
use crate::alike::AtTimes;
use crate::store::{ObservationDocument, Store};

pub(super) async fn observations_are_found_by_patient_and_time<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture,
    F::Store: AtTimes,
{
    let (store, topic) = ground.store().await?;
    let at = |n: i64, who: u8, seconds: i64| ObservationDocument {
        patient: patient(who),
        effective: instant(700_000 + seconds),
        ..observation(&topic, n)
    };
    let documents = [at(1, 1, 0), at(2, 1, 0), at(3, 1, 1), at(4, 2, 0)];
    store.insert_observations(&documents).await?;
    let place = |d: &ObservationDocument| (d.patient, d.effective);
    ensure_eq!(
        store.observations_at_times(&[]).await?,
        vec![],
        "nothing was asked for"
    );
    // The second patient at the second time has none.
    let asked = [place(&documents[0]), (patient(2), documents[2].effective)];
    let mut found = store.observations_at_times(&asked).await?;
    found.sort_unstable_by_key(|d| d.writer.position.offset);
    ensure_eq!(found, documents[..2].to_vec(), "both of that moment, whole");
    let many: Vec<_> = (0..2_500).map(|n| (patient(1), instant(700_000 + n))).collect();
    ensure_eq!(
        store.observations_at_times(&many).await?.len(),
        3,
        "however many are asked for"
    );
    Ok(())
}
