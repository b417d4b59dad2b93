//! The audit trail behind the program's back: what somebody can do to it who may write to the store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mongodb::bson::{Document, doc};
use rusqlite::Connection;

use crate::mongo::Database;
use crate::stack::{Backend, Stack};

const EVENTS: &str = "fhir_audit_events";
const HEADS: &str = "stardust_audit_heads";
const SIGNED: &str = "stardust_audit_checkpoints";

/// An event and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The chain.
    pub chain: i32,
    /// The place.
    pub seq: i64,
    /// The id.
    pub id: String,
}

/// The trail of a deployment of which nothing runs.
pub struct Trail {
    at: At,
}

enum At {
    File(PathBuf),
    Server(Database, String),
}

/// The trail as it once was.
pub enum Kept {
    /// The data file.
    File(Vec<u8>),
    /// The collections.
    Collections(BTreeMap<&'static str, Vec<Document>>),
}

impl Trail {
    /// Of this deployment.
    pub fn of(stack: &Stack) -> Self {
        let at = match stack.backend {
            Backend::Embedded => At::File(stack.data_file()),
            Backend::Kafka => At::Server(stack.database(), stack.setting("MONGODB_FHIR_DB").to_owned()),
        };
        Self { at }
    }

    /// A copy of it.
    pub fn keep(&self) -> Kept {
        match &self.at {
            At::File(path) => {
                // What stands in the write-ahead log belongs to it.
                self.sql("PRAGMA wal_checkpoint(TRUNCATE)");
                Kept::File(std::fs::read(path).expect("the file"))
            }
            At::Server(server, database) => Kept::Collections(
                [EVENTS, HEADS, SIGNED]
                    .into_iter()
                    .map(|name| (name, server.documents(database, name)))
                    .collect(),
            ),
        }
    }

    /// Makes it what it was.
    pub fn restore(&self, kept: &Kept) {
        match (&self.at, kept) {
            (At::File(path), Kept::File(bytes)) => {
                self.sql("PRAGMA wal_checkpoint(TRUNCATE)");
                std::fs::write(path, bytes).expect("the file");
            }
            (At::Server(server, database), Kept::Collections(collections)) => {
                for (name, documents) in collections {
                    server.replace(database, name, documents);
                }
            }
            _ => panic!("kept elsewhere"),
        }
    }

    /// The longest chain, in order.
    pub fn longest(&self) -> Vec<Link> {
        let mut chains: BTreeMap<i32, Vec<Link>> = BTreeMap::new();
        for link in self.links() {
            chains.entry(link.chain).or_default().push(link);
        }
        let mut longest = chains.into_values().max_by_key(Vec::len).expect("a chain");
        longest.sort();
        longest
    }

    fn links(&self) -> Vec<Link> {
        match &self.at {
            At::File(path) => {
                let conn = Connection::open(path).expect("the file");
                let mut statement = conn.prepare("SELECT chain, seq, id FROM audit").expect("a table");
                let rows = statement.query_map([], |r| {
                    Ok(Link {
                        chain: r.get(0)?,
                        seq: r.get(1)?,
                        id: r.get(2)?,
                    })
                });
                rows.expect("rows").collect::<Result<_, _>>().expect("rows")
            }
            At::Server(server, database) => server
                .documents(database, EVENTS)
                .iter()
                .map(|d| Link {
                    chain: d.get_i32("chain").expect("a chain"),
                    seq: d.get_i64("seq").expect("a place"),
                    id: d.get_str("_id").expect("an id").to_owned(),
                })
                .collect(),
        }
    }

    /// Another outcome, as somebody would write it who has something to hide.
    pub fn change(&self, link: &Link) {
        let id = &link.id;
        match &self.at {
            At::File(_) => self.sql(&format!(
                "UPDATE audit SET resource = replace(resource, '\"success\"', '\"warning\"') WHERE id = '{id}'"
            )),
            At::Server(server, database) => {
                let change = doc! {"$set": {"resource_data.outcome.code.code": "warning"}};
                assert_eq!(server.update(database, EVENTS, id, change), 1);
            }
        }
    }

    /// As [`Self::change`], with the words that were recorded laid beside the ones that readers see, where the store can
    /// hold both.
    pub fn change_and_hide(&self, link: &Link, recorded: &str) {
        self.change(link);
        if let At::Server(server, database) = &self.at {
            let change = doc! {"$set": {"resource_text": recorded}};
            assert_eq!(server.update(database, EVENTS, &link.id, change), 1);
        }
    }

    /// Takes an event away.
    pub fn remove(&self, link: &Link) {
        match &self.at {
            At::File(_) => self.sql(&format!("DELETE FROM audit WHERE id = '{}'", link.id)),
            At::Server(server, database) => assert_eq!(server.delete(database, EVENTS, &link.id), 1),
        }
    }

    /// Puts a copy with another id after an event; what follows makes room.
    pub fn insert_after(&self, link: &Link, id: &str) {
        let Link { chain, seq, id: of } = link;
        match &self.at {
            At::File(_) => {
                let rest = "prev, hash, outcome, receipt_id, patient, gateway, recorded_us, resource";
                self.sql(&format!(
                    "UPDATE audit SET seq = -seq - 1 WHERE chain = {chain} AND seq > {seq};
                     UPDATE audit SET seq = -seq WHERE chain = {chain} AND seq < 0;
                     INSERT INTO audit (id, chain, seq, {rest}) SELECT '{id}', chain, seq + 1, {rest} FROM audit
                     WHERE id = '{of}'"
                ));
            }
            At::Server(server, database) => {
                let mut documents = server.documents(database, EVENTS);
                let mut copy = documents
                    .iter()
                    .find(|d| d.get_str("_id").is_ok_and(|id| id == of))
                    .expect("the event")
                    .clone();
                for d in &mut documents {
                    let place = d.get_i64("seq").expect("a place");
                    if d.get_i32("chain").is_ok_and(|c| c == *chain) && place > *seq {
                        d.insert("seq", place + 1);
                    }
                }
                copy.insert("_id", id);
                copy.insert("seq", seq + 1);
                documents.push(copy);
                server.replace(database, EVENTS, &documents);
            }
        }
    }

    /// Lets two events change places.
    pub fn swap(&self, one: &Link, other: &Link) {
        match &self.at {
            At::File(_) => self.sql(&format!(
                "UPDATE audit SET seq = -1 WHERE id = '{}'; UPDATE audit SET seq = {} WHERE id = '{}';
                 UPDATE audit SET seq = {} WHERE id = '{}'",
                one.id, one.seq, other.id, other.seq, one.id
            )),
            At::Server(server, database) => {
                let place = |seq: i64| doc! {"$set": {"seq": seq}};
                server.update(database, EVENTS, &one.id, place(-1));
                server.update(database, EVENTS, &other.id, place(one.seq));
                server.update(database, EVENTS, &one.id, place(other.seq));
            }
        }
    }

    /// Takes the notes of the heads away.
    pub fn forget_heads(&self) {
        match &self.at {
            At::File(_) => self.sql("DELETE FROM audit_heads"),
            At::Server(server, database) => server.replace(database, HEADS, &[]),
        }
    }

    fn sql(&self, statements: &str) {
        let At::File(path) = &self.at else {
            panic!("no file")
        };
        let conn = Connection::open(path).expect("the file");
        conn.execute_batch(statements)
            .expect("statements that fit the tables");
    }
}
