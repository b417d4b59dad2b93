//! Replay: where a group shall go on reading a topic, and what that means. The plan changes nothing; [`apply`] does.

use crate::log::{Bounds, Budget, Log, LogError, LogRecord, Topic};

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The first record kept.
    Earliest,
    /// Behind the last record.
    Latest,
    /// An offset for each of these partitions; the others stay.
    Offsets(Vec<(i32, i64)>),
    /// The first record with this timestamp or a later one, milliseconds since the epoch; behind the last record where
    /// there is none.
    Time(i64),
    /// By so many offsets from where the group stands, back where negative.
    Shift(i64),
}

/// Why there is no plan.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// As the log has it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The topic does not have this partition.
    #[error("{topic} has no partition {partition}, only 0 to {last}")]
    NoPartition {
        /// The topic.
        topic: Topic,
        /// The one that was asked for.
        partition: i32,
        /// The last that there is.
        last: i32,
    },
}

/// What was corrected on the way to an offset that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clamped {
    /// This offset lies before the first record kept.
    Low(i64),
    /// This offset lies behind the last record.
    High(i64),
}

/// How many records lie between two offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(u64),
    /// Offsets, too many to be counted one by one: not each needs to be a record.
    AtMost(u64),
}

impl Count {
    /// The figure.
    #[must_use]
    pub const fn figure(self) -> u64 {
        match self {
            Self::Exactly(n) | Self::AtMost(n) => n,
        }
    }
}

/// What becomes of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub partition: i32,
    /// The committed offset; none where the group never committed: it starts at the first record.
    pub committed: Option<i64>,
    /// Where the group goes on as it stands: `committed`, or what the log puts in its place.
    pub from: i64,
    /// Where it shall go on.
    pub to: i64,
    /// What was asked for, where that does not exist.
    pub clamped: Option<Clamped>,
    /// The first offset kept.
    pub low: i64,
    /// The records between the two offsets.
    pub records: Count,
    /// The timestamp of the first of them, milliseconds since the epoch.
    pub oldest: Option<i64>,
    /// The timestamp of the last of them.
    pub newest: Option<i64>,
}

impl Move {
    /// Whether the records between are read once more; else they are left out.
    #[must_use]
    pub const fn again(&self) -> bool {
        self.to < self.from
    }

    /// Offsets that the group had not read when the log's retention took them.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.committed
            .map_or(0, |next| (self.low - next).max(0).unsigned_abs())
    }
}

/// What becomes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// Its partitions in order; those alone that the target speaks of.
    pub moves: Vec<Move>,
}

impl Plan {
    /// The records that are read once more (`again`), or left out.
    #[must_use]
    pub fn records(&self, again: bool) -> Count {
        let counts = self
            .moves
            .iter()
            .filter(|m| m.again() == again)
            .map(|m| m.records);
        counts.fold(Count::Exactly(0), |sum, count| {
            let figure = sum.figure() + count.figure();
            match (sum, count) {
                (Count::Exactly(_), Count::Exactly(_)) => Count::Exactly(figure),
                _ => Count::AtMost(figure),
            }
        })
    }
}

/// Spans up to this many offsets are counted record by record.
const COUNTED: u64 = 200_000;
/// Control records stand behind the last record of a span: how far back it is looked for.
const BACK: i64 = 64;
const PAGE: Budget = Budget {
    records: 10_000,
    bytes: 16 << 20,
    wait: std::time::Duration::from_millis(500),
};

/// Makes the plan.
///
/// # Errors
/// As the log has them, and for a partition that there is not.
pub async fn plan<L: Log>(log: &L, group: &str, topic: &Topic, target: &Target) -> Result<Plan, ReplayError> {
    let bounds = log.bounds(topic).await?;
    if let Target::Offsets(asked) = target {
        let unknown = |p: i32| bounds.iter().all(|b| b.partition != p);
        if let Some((partition, _)) = asked.iter().find(|(p, _)| unknown(*p)) {
            return Err(ReplayError::NoPartition {
                topic: topic.clone(),
                partition: *partition,
                last: bounds.iter().map(|b| b.partition).max().unwrap_or(-1),
            });
        }
    }
    let committed = log.committed(group, topic).await?;
    let mut moves = Vec::with_capacity(bounds.len());
    for b in bounds {
        let next = committed.iter().find(|(p, _)| *p == b.partition);
        let committed = next.and_then(|(_, next)| *next);
        let from = committed.unwrap_or(b.low).clamp(b.low, b.high);
        let Some(asked) = asked(log, topic, target, &b, from).await? else {
            continue;
        };
        let to = asked.clamp(b.low, b.high);
        let (records, oldest, newest) = between(log, topic, b.partition, from.min(to), from.max(to)).await?;
        moves.push(Move {
            partition: b.partition,
            committed,
            from,
            to,
            clamped: match asked {
                asked if asked < b.low => Some(Clamped::Low(asked)),
                asked if asked > b.high => Some(Clamped::High(asked)),
                _ => None,
            },
            low: b.low,
            records,
            oldest,
            newest,
        });
    }
    Ok(Plan {
        group: group.to_owned(),
        topic: topic.clone(),
        moves,
    })
}

/// Carries a plan out, all of it or nothing. Every partition of the plan has a committed offset afterwards, as after the
/// broker's own tool.
///
/// # Errors
/// As the log has them; refused while the group has members.
pub async fn apply<L: Log>(log: &L, plan: &Plan) -> Result<(), LogError> {
    let offsets: Vec<(i32, i64)> = plan.moves.iter().map(|m| (m.partition, m.to)).collect();
    log.set_offsets(&plan.group, &plan.topic, &offsets).await
}

async fn asked<L: Log>(
    log: &L,
    topic: &Topic,
    target: &Target,
    bounds: &Bounds,
    from: i64,
) -> Result<Option<i64>, LogError> {
    Ok(match target {
        Target::Earliest => Some(bounds.low),
        Target::Latest => Some(bounds.high),
        Target::Shift(by) => Some(from.saturating_add(*by)),
        Target::Offsets(offsets) => {
            let ours = offsets.iter().find(|(p, _)| *p == bounds.partition);
            ours.map(|(_, offset)| *offset)
        }
        Target::Time(at) => {
            let found = log.offset_at(topic, bounds.partition, *at).await?;
            Some(found.unwrap_or(bounds.high))
        }
    })
}

type Between = (Count, Option<i64>, Option<i64>);

/// How many records lie from one offset up to another, and when the first and the last of them were written.
async fn between<L: Log>(
    log: &L,
    topic: &Topic,
    partition: i32,
    from: i64,
    to: i64,
) -> Result<Between, LogError> {
    let offsets = (to - from).max(0).unsigned_abs();
    if offsets == 0 {
        return Ok((Count::Exactly(0), None, None));
    }
    if offsets <= COUNTED {
        let (mut next, mut count, mut oldest, mut newest) = (from, 0, None, None);
        loop {
            let page = log.read(topic, partition, next, PAGE).await?;
            let Some(last) = page.last() else { break };
            next = last.offset + 1;
            for record in page.iter().filter(|r| r.offset < to) {
                count += 1;
                oldest = oldest.or(Some(record.timestamp_ms));
                newest = Some(record.timestamp_ms);
            }
            if next >= to {
                break;
            }
        }
        return Ok((Count::Exactly(count), oldest, newest));
    }
    let stamp = |record: Option<&LogRecord>| record.filter(|r| r.offset < to).map(|r| r.timestamp_ms);
    let first = Budget { records: 1, ..PAGE };
    let oldest = stamp(log.read(topic, partition, from, first).await?.first());
    let tail = log.read(topic, partition, (to - BACK).max(from), PAGE).await?;
    let newest = stamp(tail.iter().rfind(|r| r.offset < to));
    Ok((Count::AtMost(offsets), oldest, newest))
}
