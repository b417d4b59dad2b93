//! The topics of the pipeline and their policies.

use std::time::Duration;

use crate::log::{Topic, TopicSpec};

/// The topics, by what they carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Raw messages as they came.
    pub raw: Topic,
    /// Readings that wait for the registry.
    pub parked: Topic,
    /// Readings that can never work.
    pub dead: Topic,
    /// The newest heartbeat of each gateway.
    pub status: Topic,
    /// FHIR Observations.
    pub observations: Topic,
    /// Documents for the AMY database.
    pub legacy: Topic,
    /// AuditEvents.
    pub audit: Topic,
    /// Partitions of each.
    pub partitions: i32,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            raw: Topic::new("ava4.readings.raw"),
            parked: Topic::new("ava4.readings.parked"),
            dead: Topic::new("ava4.readings.dead"),
            status: Topic::new("ava4.device.status"),
            observations: Topic::new("fhir.observations"),
            legacy: Topic::new("legacy.histories"),
            audit: Topic::new("audit.events"),
            partitions: 12,
        }
    }
}

impl Topics {
    /// Every topic with its policy.
    #[must_use]
    pub fn specs(&self) -> Vec<TopicSpec> {
        let days = |n: u64| Some(Duration::from_secs(n * 86_400));
        let spec = |topic: &Topic, retention, compacted| TopicSpec {
            topic: topic.clone(),
            partitions: self.partitions,
            retention,
            compacted,
        };
        vec![
            spec(&self.raw, days(30), false),
            spec(&self.parked, None, false),
            spec(&self.dead, None, false),
            spec(&self.status, None, true),
            spec(&self.observations, days(7), false),
            spec(&self.legacy, days(7), false),
            spec(&self.audit, days(180), false),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_the_broker_has_the_same_policies() {
        let listed: Vec<TopicSpec> = include_str!("../../../redpanda/topics.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let [topic, partitions, policy, retention] =
                    line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
                let retention: i64 = retention.parse().unwrap();
                TopicSpec {
                    topic: Topic::new(topic),
                    partitions: partitions.parse().unwrap(),
                    retention: u64::try_from(retention).ok().map(Duration::from_millis),
                    compacted: policy == "compact",
                }
            })
            .collect();
        assert_eq!(listed, Topics::default().specs());
    }
}
