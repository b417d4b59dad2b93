//! Groups that are so far behind that their topic may drop what they have not read.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Budget, Log, LogError, Topic};
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::sleep;

const EVERY: Duration = Duration::from_secs(60);

/// A group that is behind by half of a topic's retention or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// Whole hours until the topic drops the oldest record that the group has not done.
    pub hours_left: i64,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is behind by more than half of what {} keeps: in {} hours records are dropped unread",
            self.group, self.topic, self.hours_left
        )
    }
}

/// Looks every minute at these groups and what they read, whoever runs them: one that does not run is the one that falls
/// behind.
pub async fn watch<L: Log>(
    log: L,
    consumers: Vec<(String, Topic)>,
    now: fn() -> Timestamp,
    behind: watch::Sender<Vec<Behind>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let mut found = Vec::new();
        for (group, topic) in &consumers {
            match look(&log, group, topic, now()).await {
                Ok(one) => found.extend(one),
                // What is not known now stays as it was: that the log is away is said elsewhere.
                Err(_) => found.extend(behind.borrow().iter().filter(|b| b.topic == *topic).cloned()),
            }
        }
        for one in &found {
            if !behind.borrow().iter().any(|b| b.topic == one.topic) {
                tracing::warn!("{one}");
            }
        }
        behind.send_replace(found);
        tokio::select! {
            biased;
            () = stopped(&mut stopping) => return,
            () = sleep(EVERY) => {}
        }
    }
}

/// Whether a group is behind by half of the topic's retention.
async fn look<L: Log>(
    log: &L,
    group: &str,
    topic: &Topic,
    now: Timestamp,
) -> Result<Option<Behind>, LogError> {
    let states = log.describe(std::slice::from_ref(topic)).await?;
    let Some((state, kept)) = states
        .into_iter()
        .find_map(|state| Some((state.spec.retention?, state.bounds)))
        .map(|(retention, bounds)| (bounds, i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)))
    else {
        return Ok(None);
    };
    let committed: HashMap<i32, i64> = log
        .committed(group, topic)
        .await?
        .into_iter()
        .filter_map(|(partition, next)| Some((partition, next?)))
        .collect();
    let one = Budget {
        records: 1,
        bytes: 1,
        wait: Duration::from_millis(500),
    };
    let mut left: Option<i64> = None;
    for bounds in state {
        let next = committed
            .get(&bounds.partition)
            .map_or(bounds.low, |n| (*n).max(bounds.low));
        if next >= bounds.high {
            continue;
        }
        let oldest = log.read(topic, bounds.partition, next, one).await?;
        if let Some(oldest) = oldest.first() {
            let age = now.millis().saturating_sub(oldest.timestamp_ms);
            if age >= kept / 2 {
                let mine = kept.saturating_sub(age).max(0);
                left = Some(left.map_or(mine, |l| l.min(mine)));
            }
        }
    }
    Ok(left.map(|ms| Behind {
        group: group.to_owned(),
        topic: topic.clone(),
        hours_left: ms / 3_600_000,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use bytes::Bytes;
    use stardust_embedded::Embedded;
    use stardust_pipeline::log::{Member, NewRecord, TopicSpec};

    #[tokio::test]
    async fn half_of_the_retention_is_said_with_the_hours_left() {
        let folder = std::env::temp_dir().join(format!("stardust-retention-{}", std::process::id()));
        let file = Embedded::open(&folder, "test").unwrap();
        let log = file.log();
        let topic = Topic::new("raw");
        let spec = TopicSpec {
            topic: topic.clone(),
            partitions: 2,
            retention: Some(Duration::from_secs(100 * 3_600)),
            compacted: false,
        };
        log.create(&[spec]).await.unwrap();
        let record = NewRecord {
            topic: topic.clone(),
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(b"v"),
        };
        let ack = log.publish(vec![record]).await.remove(0).unwrap();
        let one = Budget {
            records: 1,
            bytes: 1,
            wait: Duration::from_secs(5),
        };
        let read = log.read(&topic, ack.partition, ack.offset, one).await.unwrap();
        let after = |hours: i64| Timestamp::from_millis(read[0].timestamp_ms + hours * 3_600_000);
        assert_eq!(look(&log, "g", &topic, after(49)).await.unwrap(), None);
        let behind = look(&log, "g", &topic, after(60)).await.unwrap().unwrap();
        assert_eq!((behind.hours_left, behind.group.as_str()), (40, "g"));
        assert!(behind.to_string().contains("in 40 hours"));
        let gone = look(&log, "g", &topic, after(300)).await.unwrap().unwrap();
        assert_eq!(gone.hours_left, 0);

        let mut member = log.join("g", std::slice::from_ref(&topic), 0).await.unwrap();
        while member.next(one).await.unwrap().is_empty() {}
        member.commit(vec![]).await.unwrap();
        assert_eq!(
            look(&log, "g", &topic, after(60)).await.unwrap(),
            None,
            "it has read all"
        );
        file.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
