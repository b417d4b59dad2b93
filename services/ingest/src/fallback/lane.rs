//! The lane of the local log: one for all partitions, since the log has one.

use std::time::Duration;

use stardust_pipeline::log::{LogError, NewRecord};
use stardust_pipeline::relay::LocalLog;

use super::{Local, bytes};
use crate::lane::{Durable, Job, Settle, Trouble, publish};

pub(crate) struct LocalLane<K> {
    pub(crate) local: Local<K>,
    pub(crate) confirm_within: Duration,
}

impl<K: LocalLog> Settle for LocalLane<K> {
    async fn settle(&self, jobs: Vec<Job>) {
        let held = &self.local.held;
        let mut taken = Vec::with_capacity(jobs.len());
        for job in jobs {
            let size = bytes([(&job.record.key[..], &job.record.value[..])]);
            if held.level().bytes.saturating_add(size) > self.local.limit_bytes {
                job.done(Err(Trouble::LocalFull));
            } else {
                // Counted before it is on disk: the worker may be done with it before we hear of it.
                held.add(1, size);
                taken.push((job, size));
            }
        }
        let records = taken
            .iter()
            .map(|(job, _)| NewRecord {
                topic: self.local.raw[0].clone(),
                ..job.record.clone()
            })
            .collect();
        let mut results = publish(&self.local.log, records, self.confirm_within)
            .await
            .into_iter();
        let mut told = false;
        for (job, size) in taken {
            let result = results.next().unwrap_or(Err(LogError::QueueFull));
            job.done(match result {
                Ok(at) => Ok(Durable::local(at)),
                Err(e) => {
                    held.remove(1, size);
                    if !told {
                        tracing::error!(tag = e.tag(), "the local log does not take records: {e}");
                        told = true;
                    }
                    Err(match e {
                        LogError::Refused(_) => Trouble::Refused,
                        _ => Trouble::LocalFailed,
                    })
                }
            });
        }
    }
}
