//! The database beside the program: puts registry documents there as the existing system does, and looks in.

use mongodb::Client;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::registry::Registry;

/// A connection to the database.
pub struct Database {
    runtime: Runtime,
    client: Client,
}

impl Database {
    /// Connects.
    pub fn connect(uri: &str) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime
            .block_on(Client::with_uri_str(uri))
            .expect("a connection string");
        Self { runtime, client }
    }

    /// Makes the registry collections of a database what `registry` says. What stays is never absent meanwhile.
    pub fn write_registry(&self, database: &str, registry: &Registry) {
        self.runtime.block_on(async {
            for (name, documents) in registry.collections() {
                let collection = self.client.database(database).collection::<Document>(name);
                let mut ids = Vec::new();
                for document in documents {
                    let Bson::Document(document) = bson(document) else {
                        panic!("no document: {document}")
                    };
                    let id = document.get("_id").expect("an _id").clone();
                    collection
                        .replace_one(doc! {"_id": id.clone()}, document)
                        .upsert(true)
                        .await
                        .expect("the database answers");
                    ids.push(id);
                }
                collection
                    .delete_many(doc! {"_id": {"$nin": ids}})
                    .await
                    .expect("the database answers");
            }
        });
    }

    /// Adds to the registry collections of a database what `registry` says.
    pub fn add_registry(&self, database: &str, registry: &Registry) {
        for (name, documents) in registry.collections() {
            let documents: Vec<Document> = documents
                .iter()
                .filter_map(|d| bson(d).as_document().cloned())
                .collect();
            self.insert(database, name, &documents);
        }
    }

    /// Makes a user with a role on a database.
    pub fn add_user(&self, name: &str, password: &str, role: &str, database: &str) {
        let user = doc! {"createUser": name, "pwd": password, "roles": [{"role": role, "db": database}]};
        let admin = self.client.database("admin");
        self.runtime
            .block_on(async { admin.run_command(user).await })
            .expect("the database answers");
    }

    /// The documents of a collection.
    pub fn documents(&self, database: &str, collection: &str) -> Vec<Document> {
        let mut found = Vec::new();
        self.each(database, collection, |document| found.push(document));
        found
    }

    /// The resources of a collection of the FHIR database, as `export` shows them, digits apart; by one cursor.
    pub fn resources(&self, database: &str, collection: &str) -> Vec<Value> {
        let mut found = Vec::new();
        self.each(database, collection, |mut document| {
            if let Some(resource) = document.remove("resource_data")
                && !document.get_bool("is_deleted").unwrap_or(false)
            {
                found.push(serde_json::to_value(resource).expect("a resource is JSON"));
            }
        });
        found
    }

    fn each(&self, database: &str, collection: &str, mut take: impl FnMut(Document)) {
        self.runtime.block_on(async {
            let collection = self.client.database(database).collection::<Document>(collection);
            let mut cursor = collection.find(doc! {}).await.expect("the database answers");
            while cursor.advance().await.expect("the database answers") {
                take(cursor.deserialize_current().expect("a document"));
            }
        });
    }

    /// Writes the documents of a collection as they are stored, in the order of their ids; how many there are.
    pub fn dump(&self, database: &str, collection: &str, out: &mut impl std::io::Write) -> u64 {
        self.runtime.block_on(async {
            let collection = self
                .client
                .database(database)
                .collection::<RawDocumentBuf>(collection);
            let found = collection.find(doc! {}).sort(doc! {"_id": 1});
            let mut cursor = found.await.expect("the database answers");
            let mut count = 0;
            while cursor.advance().await.expect("the database answers") {
                out.write_all(cursor.current().as_bytes()).expect("it is written");
                count += 1;
            }
            count
        })
    }

    /// Adds documents to a collection.
    pub fn insert(&self, database: &str, collection: &str, documents: &[Document]) {
        if documents.is_empty() {
            return;
        }
        let collection = self.client.database(database).collection::<Document>(collection);
        let done = self
            .runtime
            .block_on(async { collection.insert_many(documents).await });
        done.expect("the database answers");
    }

    /// How many documents a collection has.
    pub fn count(&self, database: &str, collection: &str) -> u64 {
        let collection = self.client.database(database).collection::<Document>(collection);
        let found = self
            .runtime
            .block_on(async { collection.count_documents(doc! {}).await });
        found.expect("the database answers")
    }

    /// Makes an index.
    pub fn index(&self, database: &str, collection: &str, keys: Document) {
        let collection = self.client.database(database).collection::<Document>(collection);
        let index = mongodb::IndexModel::builder().keys(keys).build();
        let made = self
            .runtime
            .block_on(async { collection.create_index(index).await });
        made.expect("the database answers");
    }

    /// The names of a collection's indexes.
    pub fn indexes(&self, database: &str, collection: &str) -> Vec<String> {
        let collection = self.client.database(database).collection::<Document>(collection);
        let found = self
            .runtime
            .block_on(async { collection.list_index_names().await });
        found.expect("the database answers")
    }

    /// Deletes a document by its id, text or ObjectId; how many were there.
    pub fn delete(&self, database: &str, collection: &str, id: &str) -> u64 {
        let collection = self.client.database(database).collection::<Document>(collection);
        let gone = self
            .runtime
            .block_on(async { collection.delete_one(by_id(id)).await });
        gone.expect("the database answers").deleted_count
    }

    /// Changes a document; how many were changed.
    pub fn update(&self, database: &str, collection: &str, id: &str, change: Document) -> u64 {
        let collection = self.client.database(database).collection::<Document>(collection);
        let done = self
            .runtime
            .block_on(async { collection.update_one(by_id(id), change).await });
        done.expect("the database answers").modified_count
    }

    /// Makes a collection hold these documents.
    pub fn replace(&self, database: &str, collection: &str, documents: &[Document]) {
        let collection = self.client.database(database).collection::<Document>(collection);
        self.runtime.block_on(async {
            collection
                .delete_many(doc! {})
                .await
                .expect("the database answers");
            if !documents.is_empty() {
                collection
                    .insert_many(documents)
                    .await
                    .expect("the database answers");
            }
        });
    }

    /// Drops a database: the server is shared, its disk too.
    pub fn drop_database(&self, database: &str) {
        let _ = self
            .runtime
            .block_on(async { self.client.database(database).drop().await });
    }
}

fn by_id(id: &str) -> Document {
    match ObjectId::parse_str(id) {
        Ok(object) => doc! {"_id": object},
        Err(_) => doc! {"_id": id},
    }
}

/// BSON of the Extended JSON that the registry uses.
fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(b) => Bson::Boolean(*b),
        Value::Number(n) => n
            .as_i64()
            .map_or_else(|| Bson::Double(n.as_f64().unwrap_or_default()), Bson::Int64),
        Value::String(s) => Bson::String(s.clone()),
        Value::Array(a) => Bson::Array(a.iter().map(bson).collect()),
        Value::Object(o) => match o.get("$oid").and_then(Value::as_str) {
            Some(hex) => Bson::ObjectId(ObjectId::parse_str(hex).expect("24 hex digits")),
            None => Bson::Document(o.iter().map(|(k, v)| (k.clone(), bson(v))).collect()),
        },
    }
}
