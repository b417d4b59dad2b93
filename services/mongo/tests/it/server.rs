//! The server under test, and databases of one's own on it.

use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use stardust_mongo::MongoStore;
use stardust_pipeline::store::Store;

/// The URI of the server; none where there is none to test against.
pub(crate) fn uri() -> Option<String> {
    let uri = std::env::var("TEST_MONGODB_URI")
        .ok()
        .filter(|uri| !uri.is_empty());
    if uri.is_none() {
        println!("skipped: TEST_MONGODB_URI is not set (tests/stack/mongo start DIR prints one)");
    }
    uri
}

/// The URI with one more option.
pub(crate) fn with_option(uri: &str, option: &str) -> String {
    format!("{uri}{}{option}", if uri.contains('?') { "&" } else { "/?" })
}

/// Names of two databases that nobody else uses.
pub(crate) fn names() -> (String, String) {
    let id = uuid::Uuid::new_v4().simple().to_string();
    (format!("amy_{}", &id[..12]), format!("fhir_{}", &id[..12]))
}

/// A store with databases of its own, and a plain client beside it.
pub(crate) struct Ground {
    pub(crate) store: MongoStore,
    pub(crate) main: Database,
    pub(crate) fhir: Database,
}

impl Ground {
    /// None where there is no server.
    pub(crate) async fn new() -> Option<Self> {
        Self::at(&uri()?, &uri()?).await
    }

    /// The store at one URI, the plain client at another.
    pub(crate) async fn at(store: &str, plain: &str) -> Option<Self> {
        let (main, fhir) = names();
        let client = Client::with_uri_str(plain).await.unwrap();
        Some(Self {
            store: MongoStore::connect(store, &main, &fhir).await.unwrap(),
            main: client.database(&main),
            fhir: client.database(&fhir),
        })
    }

    /// As [`Self::new`], with the indexes made.
    pub(crate) async fn prepared() -> Option<Self> {
        let ground = Self::new().await?;
        ground.store.prepare().await.unwrap();
        Some(ground)
    }

    /// The one document of a collection of the FHIR database.
    pub(crate) async fn stored(&self, collection: &str) -> Document {
        let documents = self.fhir.collection::<Document>(collection);
        assert_eq!(documents.count_documents(doc! {}).await.unwrap(), 1);
        documents.find_one(doc! {}).await.unwrap().unwrap()
    }

    /// Takes the databases away again.
    pub(crate) async fn clean(self) {
        self.main.drop().await.unwrap();
        self.fhir.drop().await.unwrap();
    }
}
