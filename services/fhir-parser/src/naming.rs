//! Naming: a person says whose readings are of which the periods cannot tell.

use std::collections::BTreeSet;

use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::outcome::{ParkReason, Source};
use stardust_domain::reading::Verdict;
use stardust_domain::registry::Named;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::log::Log;
use stardust_pipeline::store::Shelf;

use crate::back::{Back, ReleaseError};
use crate::filter::{Filter, Pages, WAITING};
use crate::release::Releaser;

/// The readings for which a patient is to be named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// A name for each device and second.
    pub names: Vec<Named>,
    /// How many readings.
    pub readings: u64,
    /// Their devices.
    pub devices: BTreeSet<Mac>,
}

impl<L: Log, S: AssociationStore> Releaser<L, S> {
    /// The waiting readings that pass the filter and whose owner is uncertain, or was named before. Nothing is written.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn naming(&self, filter: &Filter, patient: PatientId) -> Result<Naming, ReleaseError> {
        let back = Back {
            log: &self.log,
            store: &self.store,
            rules: &self.rules,
            shelf: Shelf::Parked,
            source: Source::Release,
        };
        let kept = self.store.associations().await?;
        let before: BTreeSet<_> = kept.named.iter().map(|n| (n.device, n.at)).collect();
        let mut naming = Naming::default();
        let mut names = BTreeSet::new();
        let mut pages = Pages::new(&self.store, Shelf::Parked, WAITING, filter);
        while let Some(letters) = pages.next().await? {
            for letter in letters {
                let Some(raw) = back.raw(&letter.writer.receipt_id).await? else {
                    continue;
                };
                for reading in back.judge(&raw, letter.writer.position.item).readings {
                    let (Some(device), Some(at)) = (reading.device, reading.effective) else {
                        continue;
                    };
                    let uncertain = reading.verdict == Verdict::Park(ParkReason::AssociationUncertain);
                    if uncertain || before.contains(&(device, at)) {
                        naming.readings += 1;
                        naming.devices.insert(device);
                        names.insert(Named { device, at, patient });
                    }
                }
            }
        }
        naming.names = names.into_iter().collect();
        Ok(naming)
    }
}
