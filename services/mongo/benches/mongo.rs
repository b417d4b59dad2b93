//! Observations into MongoDB: the store beside the bare driver, in batches of 500.
//!
//! Runs where `TEST_MONGODB_URI` names a server (`tests/stack/mongo start DIR` prints one). After Criterion's times it
//! prints medians, ratios and the CPU of this process for each document, all from one run: the ceiling of the store is
//! 40 µs a reading with everything around it.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use criterion::Criterion;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc, rawdoc};
use mongodb::options::UpdateOneModel;
use mongodb::{Client, Collection, Database};
use stardust_domain::ids::uuid_of;
use stardust_domain::time::Timestamp;
use stardust_mongo::{Bulk, MongoStore};
use stardust_pipeline::store::{LegacyContent, ObservationDocument, Position, Store, Won, Writer};
use tokio::runtime::Runtime;

const BATCH: usize = 500;
const ROUNDS: usize = 20;

fn main() {
    let Some(uri) = std::env::var("TEST_MONGODB_URI")
        .ok()
        .filter(|uri| !uri.is_empty())
    else {
        println!("skipped: TEST_MONGODB_URI is not set");
        return;
    };
    let runtime = Runtime::new().unwrap();
    let ground = runtime.block_on(Ground::new(&uri));
    let ways = [
        Way::Store(Bulk::Fitting),
        Way::Store(Bulk::Update),
        Way::BareUpdate,
        Way::BareBulkWrite,
        Way::BareInsert,
    ];
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(8))
        .configure_from_args();
    let mut group = criterion.benchmark_group("500 observations");
    for way in ways {
        group.bench_function(way.name(), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| runtime.block_on(ground.round(way)).took).sum());
        });
    }
    group.finish();
    // In turns, so that whatever else the machine does meets all of them.
    let mut rounds: Vec<Vec<Round>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (way, rounds) in ways.iter().zip(&mut rounds) {
            rounds.push(runtime.block_on(ground.round(*way)));
        }
    }
    let medians: Vec<(f64, f64)> = rounds
        .iter()
        .map(|rounds| (median(rounds, |r| r.took), median(rounds, |r| r.cpu)))
        .collect();
    let bare = medians[4];
    println!(
        "\n{:<28}{:>14}{:>8}{:>18}{:>8}",
        "medians of 20 rounds", "µs/document", "ratio", "client CPU µs/doc", "ratio"
    );
    for (way, (took, cpu)) in ways.iter().zip(&medians) {
        println!(
            "{:<28}{took:>14.1}{:>8.2}{cpu:>18.1}{:>8.2}",
            way.name(),
            took / bare.0,
            cpu / bare.1
        );
    }
    runtime.block_on(ground.clean());
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Store(Bulk),
    BareUpdate,
    BareBulkWrite,
    BareInsert,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Store(Bulk::Update) => "store, update",
            Self::Store(_) => "store, bulkWrite",
            Self::BareUpdate => "bare driver, update",
            Self::BareBulkWrite => "bare driver, bulk_write",
            Self::BareInsert => "bare driver, insert_many",
        }
    }
}

struct Round {
    took: Duration,
    cpu: Duration,
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> Duration) -> f64 {
    let mut values: Vec<f64> = rounds
        .iter()
        .map(|round| of(round).as_secs_f64() * 1e6 / BATCH as f64)
        .collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of every thread of this process so far.
fn cpu() -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        nanos += stat
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Duration::from_nanos(nanos)
}

struct Ground {
    store: MongoStore,
    database: Database,
    observations: Collection<RawDocumentBuf>,
    /// Documents as the store writes them, for the bare driver.
    built: Vec<RawDocumentBuf>,
}

impl Ground {
    async fn new(uri: &str) -> Self {
        let name = format!("bench_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let store = MongoStore::connect(uri, &format!("{name}_main"), &name)
            .await
            .unwrap();
        store.prepare().await.unwrap();
        let database = Client::with_uri_str(uri).await.unwrap().database(&name);
        let observations = database.collection::<RawDocumentBuf>("fhir_observations");
        store.insert_observations(&batch()).await.unwrap();
        let built = observations
            .find(doc! {})
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        Self {
            store,
            database,
            observations,
            built,
        }
    }

    /// One batch of new documents; making them is not counted.
    async fn round(&self, way: Way) -> Round {
        match way {
            Way::Store(bulk) => {
                let store = self.store.with_bulk(bulk);
                let documents = batch();
                let (start, before) = (Instant::now(), cpu());
                let won = store.insert_observations(&documents).await.unwrap();
                let round = Round {
                    cpu: cpu() - before,
                    took: start.elapsed(),
                };
                assert!(won.iter().all(|won| *won == Won::Inserted));
                round
            }
            Way::BareInsert => {
                let documents = self.fresh(true);
                let (start, before) = (Instant::now(), cpu());
                let insert = self.observations.insert_many(&documents).ordered(false);
                let inserted = insert.write_concern(concern()).await.unwrap();
                assert_eq!(inserted.inserted_ids.len(), BATCH);
                Round {
                    cpu: cpu() - before,
                    took: start.elapsed(),
                }
            }
            Way::BareBulkWrite => {
                let models: Vec<_> = self
                    .fresh(false)
                    .iter()
                    .map(|fields| self.model(fields))
                    .collect();
                let client = self.database.client();
                let (start, before) = (Instant::now(), cpu());
                let write = client.bulk_write(models).ordered(false);
                let result = write.write_concern(concern()).verbose_results().await.unwrap();
                assert_eq!(result.update_results.len(), BATCH);
                Round {
                    cpu: cpu() - before,
                    took: start.elapsed(),
                }
            }
            Way::BareUpdate => {
                let mut updates = mongodb::bson::RawArrayBuf::new();
                for document in self.fresh(false) {
                    let id = uuid::Uuid::new_v4().to_string();
                    updates.push(rawdoc! {"q": {"_id": id}, "u": {"$setOnInsert": document}, "upsert": true});
                }
                let command = rawdoc! {
                    "update": "fhir_observations", "ordered": false, "writeConcern": {"w": "majority", "j": true},
                    "updates": updates,
                };
                let (start, before) = (Instant::now(), cpu());
                let reply = self.database.run_raw_command(command).await.unwrap();
                assert_eq!(reply.get_i32("n").unwrap(), 500);
                Round {
                    cpu: cpu() - before,
                    took: start.elapsed(),
                }
            }
        }
    }

    /// The built documents under new ids, or without any.
    fn fresh(&self, with_id: bool) -> Vec<RawDocumentBuf> {
        self.built
            .iter()
            .map(|built| {
                let mut fresh = RawDocumentBuf::new();
                if with_id {
                    fresh.append(mongodb::bson::raw::cstr!("_id"), uuid::Uuid::new_v4().to_string());
                }
                for field in built.iter() {
                    let (name, value) = field.unwrap();
                    if name.as_str() != "_id" {
                        fresh.append(name, value);
                    }
                }
                fresh
            })
            .collect()
    }

    fn model(&self, fields: &RawDocumentBuf) -> UpdateOneModel {
        UpdateOneModel::builder()
            .namespace(self.observations.namespace())
            .filter(doc! {"_id": uuid::Uuid::new_v4().to_string()})
            .update(doc! {"$setOnInsert": Document::try_from(fields).unwrap()})
            .upsert(true)
            .build()
    }

    async fn clean(self) {
        self.database
            .collection::<Document>("fhir_observations")
            .drop()
            .await
            .unwrap();
        self.database.drop().await.unwrap();
    }
}

fn concern() -> mongodb::options::WriteConcern {
    let mut concern = mongodb::options::WriteConcern::majority();
    concern.journal = Some(true);
    concern
}

/// New Observations of the size that blood pressures have.
fn batch() -> Vec<ObservationDocument> {
    let seed = uuid::Uuid::new_v4();
    (0..BATCH)
        .map(|n| {
            let id = uuid_of(&format!("{seed}|{n}"));
            let legacy = format!("{:024x}", id.as_u128() >> 32);
            ObservationDocument {
                id,
                main: true,
                resource: resource(&id.to_string()),
                code: "85354-9".into(),
                status: "final".into(),
                patient: "65a000000000000000000001".parse().unwrap(),
                device: "020000aa0001".parse().ok(),
                gateway: "020000aa0002".parse().ok(),
                effective: Timestamp::from_seconds(1_836_900_001),
                recorded: Timestamp::from_micros(1_836_900_060_123_456),
                writer: Writer {
                    receipt_id: uuid_of(&format!("{seed}|receipt|{n}")).to_string(),
                    position: Position {
                        topic: "ava4.readings.raw".into(),
                        partition: 3,
                        offset: i64::try_from(n).unwrap_or(0),
                        item: 0,
                    },
                },
                source: "http".into(),
                raw_item: r#"{"attribute":"BP_BIOLIGTH","time":1836900005,"item":{"scan_time":1836900001,"ble_addr":"020000aa0001","scan_rssi":-71,"bp_high":131,"bp_low":84,"PR":72}}"#.into(),
                mapping_version: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
                migration_run: None,
                legacy: Some(LegacyContent {
                    collection: "blood_pressure_histories".into(),
                    document: format!(
                        r#"{{"_id":{{"$oid":"{legacy}"}},"patient_id":{{"$oid":"65a000000000000000000001"}},"device_id":"020000aa0001","device_type":"BP_BIOLIGTH","data":[{{"systolic":131,"diastolic":84,"pulse":72,"timestamp":{{"$date":"2028-03-17T10:00:01Z"}},"device_id":"020000aa0001","device_type":"BP_BIOLIGTH"}}],"timestamp":{{"$date":"2028-03-17T10:00:01Z"}},"created_at":{{"$date":"2028-03-17T10:01:00.123Z"}},"updated_at":{{"$date":"2028-03-17T10:01:00.123Z"}},"source":"stardust"}}"#
                    ),
                    id: legacy,
                }),
            }
        })
        .collect()
}

/// 1.9 kB, as the mapping writes it.
fn resource(id: &str) -> String {
    let quantity = |value: &str| {
        format!(r#"{{"value":{value},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}"#)
    };
    let component = |code: &str, display: &str, value: &str| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}]}},"valueQuantity":{}}}"#,
            quantity(value)
        )
    };
    format!(
        concat!(
            r#"{{"resourceType":"Observation","id":"{id}","meta":{{"source":"urn:stardust:ava4","profile":["http://hl7.org/fhir/StructureDefinition/bp"]}},"#,
            r#""extension":[{{"url":"urn:stardust:gateway","valueIdentifier":{{"system":"urn:ietf:rfc:3986","value":"02-00-00-AA-00-02"}}}}],"#,
            r#""identifier":[{{"system":"urn:stardust:reading","value":"{id}"}}],"status":"final","#,
            r#""category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}]}}],"#,
            r#""code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}},{{"system":"urn:iso:std:iso:11073:10101","code":"150020","display":"MDC_PRESS_BLD_NONINV"}}],"text":"Blood pressure"}},"#,
            r#""subject":{{"reference":"Patient/65a000000000000000000001"}},"effectiveDateTime":"2028-03-17T17:00:01+07:00","issued":"2028-03-17T10:01:00.123Z","#,
            r#""device":{{"reference":"Device/5b99101d-da84-585a-aa23-dbf9ed672ff4","display":"Blood pressure monitor"}},"#,
            r#""component":[{systolic},{diastolic},{pulse}]}}"#
        ),
        id = id,
        systolic = component("8480-6", "Systolic blood pressure", "131"),
        diastolic = component("8462-4", "Diastolic blood pressure", "84"),
        pulse = component("8867-4", "Heart rate", "72.5"),
    )
}
