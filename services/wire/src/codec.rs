//! Encoding and decoding with the framing.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schemas::{Subject, VERSIONS, parsed};

const MAGIC: u8 = 0;

/// No text of a record is longer: records have 4 MiB at most. A length that is read from damaged bytes must not decide
/// how much memory is asked for.
const LONGEST: usize = 8 << 20;

/// A value could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A schema that is compiled in is broken.
    #[error("schema: {0}")]
    Schema(String),
    /// The value has no Confluent framing.
    #[error("the value does not start with the Confluent framing (a zero byte and a schema id)")]
    Framing,
    /// The schema id is not one of ours.
    #[error("schema id {0} is unknown to this version")]
    UnknownSchema(u32),
    /// The record is of another subject.
    #[error("schema id {id} is of another subject than {expected}")]
    OtherSubject {
        /// The id in the record.
        id: u32,
        /// The subject that was asked for.
        expected: String,
    },
    /// The datum does not fit its schema.
    #[error("the Avro datum does not fit its schema: {0}")]
    Datum(String),
}

impl WireError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Schema(_) => "schema",
            Self::Framing => "framing",
            Self::UnknownSchema(_) => "unknown_schema",
            Self::OtherSubject { .. } => "other_subject",
            Self::Datum(_) => "datum",
        }
    }
}

struct Entry {
    subject: Subject,
    reader: GenericDatumReader<'static>,
}

struct Inner {
    writers: Vec<(u32, GenericDatumWriter<'static>)>,
    readers: HashMap<u32, Entry>,
}

/// The codec of all topics. Cheap to clone.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("ids", &self.0.readers.len())
            .finish()
    }
}

impl Wire {
    /// With the ids that are compiled in.
    ///
    /// # Errors
    /// Where a schema that is compiled in is broken.
    pub fn builtin() -> Result<Self, WireError> {
        Self::with_ids(&HashMap::new())
    }

    /// With the ids that a registry gave to the newest schema of each subject. Records with the ids that are compiled in stay readable.
    ///
    /// # Errors
    /// Where a schema that is compiled in is broken.
    pub fn with_ids(registered: &HashMap<Subject, u32>) -> Result<Self, WireError> {
        apache_avro::util::max_allocation_bytes(LONGEST);
        let schemas = parsed()?;
        let build = |e: apache_avro::Error| WireError::Schema(e.to_string());
        let mut readers = HashMap::new();
        let mut writers: Vec<Option<(u32, GenericDatumWriter<'static>)>> =
            Subject::ALL.iter().map(|_| None).collect();
        for (version, schema) in VERSIONS.iter().zip(schemas) {
            let reader = || GenericDatumReader::builder(schema).build().map_err(build);
            readers.insert(
                version.id,
                Entry {
                    subject: version.subject,
                    reader: reader()?,
                },
            );
            let id = registered.get(&version.subject).copied().unwrap_or(version.id);
            let writer = GenericDatumWriter::builder(schema).build().map_err(build)?;
            if let Some(slot) = writers.get_mut(version.subject.index()) {
                *slot = Some((id, writer));
            }
        }
        for (version, schema) in VERSIONS.iter().zip(schemas) {
            if let Some(id) = registered.get(&version.subject) {
                let reader = GenericDatumReader::builder(schema).build().map_err(build)?;
                readers.insert(
                    *id,
                    Entry {
                        subject: version.subject,
                        reader,
                    },
                );
            }
        }
        let writers = writers
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| WireError::Schema("a subject has no schema".to_owned()))?;
        Ok(Self(Arc::new(Inner { writers, readers })))
    }

    /// Writes a record of this subject.
    ///
    /// # Errors
    /// Where the record does not fit the schema.
    pub fn encode<T: Serialize>(&self, subject: Subject, record: &T) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(2_048);
        self.append(subject, record, &mut out)?;
        Ok(out)
    }

    /// Writes a record of this subject behind what is there.
    ///
    /// # Errors
    /// Where the record does not fit the schema; part of it may have been written.
    pub fn append<T: Serialize>(
        &self,
        subject: Subject,
        record: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let (id, writer) = self
            .0
            .writers
            .get(subject.index())
            .ok_or_else(|| WireError::Schema("a subject has no schema".to_owned()))?;
        out.push(MAGIC);
        out.extend_from_slice(&id.to_be_bytes());
        writer
            .write_ser(out, record)
            .map_err(|e| WireError::Datum(e.to_string()))?;
        Ok(())
    }

    /// Reads a record of this subject.
    ///
    /// # Errors
    /// Where the framing, the id or the datum is not as it must be.
    pub fn decode<T: DeserializeOwned>(&self, subject: Subject, value: &[u8]) -> Result<T, WireError> {
        let (head, mut datum) = value.split_at_checked(5).ok_or(WireError::Framing)?;
        let [MAGIC, a, b, c, d] = *head else {
            return Err(WireError::Framing);
        };
        let id = u32::from_be_bytes([a, b, c, d]);
        let entry = self.0.readers.get(&id).ok_or(WireError::UnknownSchema(id))?;
        if entry.subject != subject {
            return Err(WireError::OtherSubject {
                id,
                expected: subject.name(),
            });
        }
        let record = entry
            .reader
            .read_deser(&mut datum)
            .map_err(|e| WireError::Datum(e.to_string()))?;
        if datum.is_empty() {
            Ok(record)
        } else {
            Err(WireError::Datum("bytes are left over".to_owned()))
        }
    }
}
