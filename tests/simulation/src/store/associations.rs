//! Who had a device when, as one process has it.

use stardust_domain::registry::{Associations, Changes, Holding, Named, Period};
use stardust_domain::time::Timestamp;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::store::StoreError;

use super::client::{Parts, SimStore};

/// A step of noting a refresh. A call that breaks off has made the first of them.
#[derive(Clone)]
enum Step {
    Close(Holding),
    Open(Holding),
    Refreshed(Timestamp),
}

fn take(kept: &mut Associations, step: &Step) {
    let refreshed = kept.refreshed.unwrap_or(Timestamp::from_micros(i64::MIN));
    let mut changes = Changes::default();
    match step {
        Step::Close(holding) => changes.closed.push(holding.clone()),
        Step::Open(holding) => changes.opened.push(holding.clone()),
        Step::Refreshed(at) => return kept.note(&changes, *at),
    }
    let before = kept.refreshed;
    kept.note(&changes, refreshed);
    kept.refreshed = before;
}

impl AssociationStore for SimStore {
    async fn associations(&self) -> Result<Associations, StoreError> {
        self.read("associations", |s| s.associations.clone()).await
    }

    async fn note_refresh(
        &self,
        changes: &Changes,
        known: Option<Timestamp>,
        refreshed: Timestamp,
    ) -> Result<(), StoreError> {
        // Looked at first and written then: between the two anything can happen, as in a database.
        let last = self.read("last_refresh", |s| s.associations.refreshed).await?;
        if last != known {
            return Err(StoreError::Conflict("another refresh was noted".to_owned()));
        }
        let steps = changes.closed.iter().cloned().map(Step::Close);
        let steps = steps.chain(changes.opened.iter().cloned().map(Step::Open));
        let steps = steps.chain([Step::Refreshed(refreshed)]).collect();
        self.write("note_refresh", Parts::First, steps, |s, steps: &[Step]| {
            steps.iter().for_each(|step| take(&mut s.associations, step));
        })
        .await
    }

    async fn import_periods(&self, periods: &[Period], at: Timestamp) -> Result<(), StoreError> {
        let import = vec![(periods.to_vec(), at)];
        self.write("import_periods", Parts::First, import, |s, imports: &[_]| {
            for (periods, at) in imports {
                s.associations.imported.clone_from(periods);
                s.associations.imported_at = Some(*at);
            }
        })
        .await
    }

    async fn name_patients(&self, named: &[Named]) -> Result<(), StoreError> {
        self.write(
            "name_patients",
            Parts::First,
            named.to_vec(),
            |s, named: &[Named]| {
                for name in named {
                    let kept = &mut s.associations.named;
                    kept.retain(|n| (n.device, n.at) != (name.device, name.at));
                    kept.push(name.clone());
                }
            },
        )
        .await
    }
}
