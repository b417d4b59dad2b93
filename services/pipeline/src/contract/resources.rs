//! Promises about the resources of the registry.

use serde_json::json;
use stardust_domain::registry::{RegistryResource, ResourceKind};
use stardust_domain::time::Timestamp;

use super::broken::{Broken, Kept, ensure_eq};
use super::runner::{Report, promises, run_all};
use super::store_ground::{StoreFixture, StoreGround};
use crate::resources::{ResourceStore, Stored, StoredResource};
use crate::store::RegistryDocuments;

/// Holds a store to every promise about the resources of the registry.
pub async fn resources_contract<F: StoreFixture<Store: ResourceStore>>(fixture: F) -> Report {
    let at_once = fixture.at_once();
    run_all(
        StoreGround::new(fixture),
        at_once,
        promises![
            a_resource_comes_back_as_it_was_put,
            a_changed_resource_keeps_its_creation,
            resources_come_in_pages_by_kind,
            preparing_resources_again_changes_nothing,
            the_documents_of_the_registry_come_back_whole,
        ],
    )
    .await
}

/// Stores keep milliseconds.
fn instant(number: i64) -> Timestamp {
    Timestamp::from_millis(1_772_323_200_000 + number)
}

fn resource(kind: ResourceKind, number: u8, name: &str) -> RegistryResource {
    let id = format!("65a0000000000000000000{number:02x}");
    RegistryResource {
        kind,
        json: json!({"id": id, "name": [{"family": name}], "resourceType": kind.label()}).to_string(),
        patient: (kind != ResourceKind::Organization)
            .then(|| id.parse().ok())
            .flatten(),
        device: (kind == ResourceKind::Device)
            .then(|| format!("020000bb00{number:02x}").parse().ok())
            .flatten(),
        id,
    }
}

async fn a_resource_comes_back_as_it_was_put<F: StoreFixture<Store: ResourceStore>>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    store.prepare_resources().await?;
    store.put_resources(&[], instant(1)).await?;
    for kind in ResourceKind::ALL {
        // The same id under another kind is another resource.
        let put = resource(*kind, 1, "Aster \"µ\"");
        let ids = [put.id.clone(), "nobody".to_owned()];
        ensure_eq!(
            store.stored_resources(*kind, &ids).await?,
            vec![None, None],
            "nothing yet"
        );
        store
            .put_resources(std::slice::from_ref(&put), instant(1))
            .await?;
        ensure_eq!(
            store.stored_resources(*kind, &ids).await?,
            vec![Some(Stored::Ours(put.json.clone())), None],
            "as it was put"
        );
        let stored = StoredResource {
            resource: put,
            created: instant(1),
            updated: instant(1),
        };
        ensure_eq!(
            store.resources_after(*kind, None, 10).await?,
            vec![stored],
            "with its fields"
        );
    }
    Ok(())
}

async fn a_changed_resource_keeps_its_creation<F: StoreFixture<Store: ResourceStore>>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    store.prepare_resources().await?;
    let kind = ResourceKind::Patient;
    let (before, other) = (resource(kind, 1, "Aster"), resource(kind, 2, "Birch"));
    store
        .put_resources(&[before.clone(), other.clone()], instant(1))
        .await?;
    let after = resource(kind, 1, "Cedar");
    store
        .put_resources(std::slice::from_ref(&after), instant(9))
        .await?;
    let expected = vec![
        StoredResource {
            resource: after,
            created: instant(1),
            updated: instant(9),
        },
        StoredResource {
            resource: other,
            created: instant(1),
            updated: instant(1),
        },
    ];
    ensure_eq!(
        store.resources_after(kind, None, 10).await?,
        expected,
        "the one that changed"
    );
    Ok(())
}

async fn resources_come_in_pages_by_kind<F: StoreFixture<Store: ResourceStore>>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    store.prepare_resources().await?;
    let put: Vec<_> = [3, 1, 2, 5, 4]
        .map(|number| resource(ResourceKind::Device, number, "x"))
        .to_vec();
    store.put_resources(&put, instant(1)).await?;
    store
        .put_resources(&[resource(ResourceKind::Patient, 9, "x")], instant(1))
        .await?;
    let mut ids = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store
            .resources_after(ResourceKind::Device, after.as_deref(), 2)
            .await?;
        let Some(last) = page.last() else { break };
        if page.len() > 2 {
            return Err(Broken("more than was asked for".into()));
        }
        after = Some(last.resource.id.clone());
        ids.extend(page.into_iter().map(|stored| stored.resource.id));
    }
    let mut expected: Vec<String> = put.into_iter().map(|resource| resource.id).collect();
    expected.sort_unstable();
    ensure_eq!(ids, expected, "all of the kind, once, in order");
    Ok(())
}

async fn preparing_resources_again_changes_nothing<F: StoreFixture<Store: ResourceStore>>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    store.prepare_resources().await?;
    let put = resource(ResourceKind::Organization, 1, "x");
    store
        .put_resources(std::slice::from_ref(&put), instant(1))
        .await?;
    store.prepare_resources().await?;
    let stored = store
        .resources_after(ResourceKind::Organization, None, 10)
        .await?;
    ensure_eq!(stored.len(), 1, "what was stored stays");
    Ok(())
}

async fn the_documents_of_the_registry_come_back_whole<F: StoreFixture<Store: ResourceStore>>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    let patient = json!({"_id": {"$oid": "65a000000000000000000001"}, "last_name": "Aster", "gender": null});
    let documents = RegistryDocuments {
        patients: vec![patient.clone()],
        ..RegistryDocuments::default()
    };
    ground.fixture.seed_registry(&store, &documents).await?;
    let found = store
        .registry_documents("patients", &["last_name", "gender"])
        .await?;
    ensure_eq!(found, vec![patient], "with the fields that were asked for");
    for collection in ["amy_boxes", "amy_devices", "hospitals"] {
        let found = store.registry_documents(collection, &["name"]).await?;
        ensure_eq!(found, Vec::<serde_json::Value>::new(), "nothing there");
    }
    Ok(())
}
