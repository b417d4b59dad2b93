//! The connection: one driver client and the two databases.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use stardust_pipeline::store::StoreError;
use tokio::sync::OnceCell;

use crate::error::{of_driver, unavailable, unusable};
use crate::insert::Bulk;

/// How long a call waits for a primary; callers back off by themselves.
const SELECTION: Duration = Duration::from_millis(2_500);
/// How long a server may take to confirm a write with its majority.
pub(crate) const CONFIRM: Duration = Duration::from_secs(10);
/// The bound of any one call: the driver has none of its own for a server that hangs.
const CALL: Duration = Duration::from_secs(30);
/// The wire version of servers that know `bulkWrite` (8.0).
const BULK_WRITE_WIRE_VERSION: i32 = 25;

/// The store on MongoDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    main: Database,
    fhir: Database,
    bulk: Bulk,
    knows_bulk_write: OnceCell<bool>,
}

impl MongoStore {
    /// A store at this URI. Nothing is asked of the server yet: it may be away.
    ///
    /// Reads go to the primary and writes wait for the majority and the journal, whatever the URI says: who was first
    /// could not be told otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a URI that is none; [`StoreError::Unavailable`] where `mongodb+srv` names
    /// cannot be looked up now.
    pub async fn connect(uri: &str, main_db: &str, fhir_db: &str) -> Result<Self, StoreError> {
        let mut options = match bounded_raw(ClientOptions::parse(uri)).await? {
            Ok(options) => options,
            Err(error) => return Err(unreadable(uri, &error)),
        };
        options.app_name.get_or_insert_with(|| "stardust".to_owned());
        options.server_selection_timeout.get_or_insert(SELECTION);
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.write_concern = Some(durable());
        let client = Client::with_options(options).map_err(|error| unreadable(uri, &error))?;
        let inner = Inner {
            main: client.database(main_db),
            fhir: client.database(fhir_db),
            client,
            bulk: Bulk::default(),
            knows_bulk_write: OnceCell::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The same store with another way to write many documents: for tests and measurements.
    #[must_use]
    pub fn with_bulk(&self, bulk: Bulk) -> Self {
        let Inner {
            client, main, fhir, ..
        } = &*self.inner;
        let inner = Inner {
            client: client.clone(),
            main: main.clone(),
            fhir: fhir.clone(),
            bulk,
            knows_bulk_write: OnceCell::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn admin_db(&self) -> Database {
        self.inner.client.database("admin")
    }

    pub(crate) fn main_db(&self) -> &Database {
        &self.inner.main
    }

    pub(crate) fn fhir_db(&self) -> &Database {
        &self.inner.fhir
    }

    pub(crate) fn fhir<T: Send + Sync>(&self, collection: &str) -> Collection<T> {
        self.inner.fhir.collection(collection)
    }

    pub(crate) fn bulk(&self) -> Bulk {
        self.inner.bulk
    }

    /// Whether the server knows `bulkWrite`; asked once.
    pub(crate) async fn knows_bulk_write(&self) -> Result<bool, StoreError> {
        self.inner
            .knows_bulk_write
            .get_or_try_init(|| async {
                let hello = bounded(self.admin_db().run_command(doc! {"hello": 1})).await?;
                Ok(hello.get_i32("maxWireVersion").unwrap_or(0) >= BULK_WRITE_WIRE_VERSION)
            })
            .await
            .copied()
    }

    pub(crate) async fn ask_ping(&self) -> Result<(), StoreError> {
        // A hello of a member that cannot be written to is no answer: the selection asks for a primary.
        bounded(self.inner.fhir.run_command(doc! {"ping": 1})).await?;
        Ok(())
    }
}

/// Why a URI cannot be used. The driver quotes parts of it, which could be of a password.
fn unreadable(uri: &str, error: &Error) -> StoreError {
    match &*error.kind {
        ErrorKind::InvalidArgument { message, .. } if !uri.contains('@') => {
            unusable(format!("MONGODB_URI cannot be read: {message}"))
        }
        ErrorKind::InvalidArgument { .. } => unusable(
            "MONGODB_URI cannot be read; in a user name or password the characters / : @ % are written as %2F %3A \
             %40 %25",
        ),
        _ => of_driver(error),
    }
}

/// The write concern of everything that is written.
pub(crate) fn durable() -> WriteConcern {
    let mut concern = WriteConcern::default();
    concern.w = Some(Acknowledgment::Majority);
    concern.journal = Some(true);
    concern.w_timeout = Some(CONFIRM);
    concern
}

/// Awaits an operation of the driver within the bound of a call.
pub(crate) async fn bounded<T>(
    operation: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(CALL, operation).await {
        Ok(result) => result.map_err(|error| of_driver(&error)),
        Err(_) => Err(too_slow()),
    }
}

/// As [`bounded`], with the driver's own error, where a caller must look into it.
pub(crate) async fn bounded_raw<T>(
    operation: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<mongodb::error::Result<T>, StoreError> {
    tokio::time::timeout(CALL, operation)
        .await
        .map_err(|_| too_slow())
}

fn too_slow() -> StoreError {
    unavailable(format!("MongoDB did not answer within {} s", CALL.as_secs()))
}
