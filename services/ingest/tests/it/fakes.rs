//! A log, a spool and rules that do as they are told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stardust_domain::ids::Mac;
use stardust_domain::reading::{Admission, Refusal, RefusalCode};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_ingest::Rules;
use stardust_pipeline::log::{
    Ack, Bounds, Budget, Commit, Log, LogError, LogRecord, Member, MemberInfo, NewRecord, Topic, TopicSpec,
    TopicState,
};
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::{Spool, SpoolError, SpoolLevel, Spooled};
use tokio::sync::Notify;
use tokio::time::sleep;
use uuid::Uuid;

/// What the log does with a record.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    /// Takes it.
    Up,
    /// Is away.
    Down,
    /// Is full.
    Full,
    /// Waits until told otherwise.
    Hangs,
    /// Never answers.
    Silent,
    /// Refuses raw records for good and takes letters.
    Refuses,
    /// Refuses records for good that come with others, and takes each alone.
    RefusesTogether,
    /// Refuses everything for good.
    RefusesAll,
    /// Fails this often, in thousandths, by a seeded sequence.
    Flaky(u64),
    /// Is away for one partition.
    DownFor(i32),
    /// Its client is broken for good.
    Broken,
}

pub struct LogState {
    pub mode: Mode,
    pub records: Vec<NewRecord>,
    pub calls: usize,
    seed: u64,
    in_flight: Vec<usize>,
}

#[derive(Clone)]
pub struct FakeLog {
    pub state: Arc<Mutex<LogState>>,
    changed: Arc<Notify>,
    pub partitions: i32,
    overlap: Arc<AtomicBool>,
}

impl FakeLog {
    pub fn new(partitions: i32) -> Self {
        let many = usize::try_from(partitions).unwrap();
        Self {
            state: Arc::new(Mutex::new(LogState {
                mode: Mode::Up,
                records: Vec::new(),
                calls: 0,
                seed: 1,
                in_flight: vec![0; many],
            })),
            changed: Arc::new(Notify::new()),
            partitions,
            overlap: Arc::new(AtomicBool::new(false)),
        }
    }

    pub fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
        self.changed.notify_waiters();
    }

    pub fn seed(&self, seed: u64) {
        self.state.lock().unwrap().seed = seed | 1;
    }

    pub fn records(&self) -> Vec<NewRecord> {
        self.state.lock().unwrap().records.clone()
    }

    /// Two publishes of one partition were under way at once.
    pub fn overlapped(&self) -> bool {
        self.overlap.load(Ordering::SeqCst)
    }

    fn lanes(&self, records: &[NewRecord]) -> Vec<usize> {
        let mut lanes: Vec<_> = records
            .iter()
            .map(|r| usize::try_from(partition_of(&r.key, self.partitions)).unwrap())
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }
}

impl Log for FakeLog {
    type Member = NoMember;

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        let lanes = self.lanes(&records);
        {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            for lane in &lanes {
                state.in_flight[*lane] += 1;
                if state.in_flight[*lane] > 1 {
                    self.overlap.store(true, Ordering::SeqCst);
                }
            }
        }
        loop {
            let changed = self.changed.notified();
            let mode = self.state.lock().unwrap().mode;
            match mode {
                Mode::Hangs => changed.await,
                Mode::Silent => std::future::pending().await,
                _ => break,
            }
        }
        if matches!(self.state.lock().unwrap().mode, Mode::Flaky(_)) {
            sleep(Duration::from_millis(1)).await;
        }
        let mut state = self.state.lock().unwrap();
        for lane in lanes {
            state.in_flight[lane] -= 1;
        }
        // A real log gives up the records of a partition from one on, not here and there.
        let mut broken: Vec<i32> = Vec::new();
        let one = records.len() == 1;
        records
            .into_iter()
            .map(|record| {
                let partition = partition_of(&record.key, self.partitions);
                let away = || LogError::Unavailable("away".to_owned());
                match state.mode {
                    Mode::Up => {}
                    Mode::DownFor(one) if one != partition => {}
                    Mode::Full => return Err(LogError::QueueFull),
                    Mode::Broken => return Err(LogError::Fatal("broken".to_owned())),
                    Mode::Refuses if record.topic.as_str().ends_with(".dead") => {}
                    Mode::RefusesTogether if one => {}
                    Mode::Refuses | Mode::RefusesTogether | Mode::RefusesAll => {
                        return Err(LogError::Refused("too large".to_owned()));
                    }
                    Mode::Flaky(thousandths) => {
                        state.seed = next(state.seed);
                        if broken.contains(&partition) || state.seed % 1_000 < thousandths {
                            // What is reported as failed may have arrived all the same.
                            if !broken.contains(&partition) && state.seed.is_multiple_of(3) {
                                state.records.push(record);
                            }
                            broken.push(partition);
                            return Err(away());
                        }
                    }
                    _ => return Err(away()),
                }
                let offset = i64::try_from(state.records.len()).unwrap();
                state.records.push(record);
                Ok(Ack { partition, offset })
            })
            .collect()
    }

    async fn join(&self, _: &str, _: &[Topic], _: usize) -> Result<NoMember, LogError> {
        Err(LogError::Unavailable(String::new()))
    }
    async fn ping(&self) -> Result<(), LogError> {
        Ok(())
    }
    async fn describe(&self, _: &[Topic]) -> Result<Vec<TopicState>, LogError> {
        Ok(Vec::new())
    }
    async fn create(&self, _: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        Ok(Vec::new())
    }
    async fn bounds(&self, _: &Topic) -> Result<Vec<Bounds>, LogError> {
        Ok(Vec::new())
    }
    async fn committed(&self, _: &str, _: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        Ok(Vec::new())
    }
    async fn lag(&self, _: &str, _: &Topic) -> Result<u64, LogError> {
        Ok(0)
    }
    async fn read(&self, _: &Topic, _: i32, _: i64, _: Budget) -> Result<Vec<LogRecord>, LogError> {
        Ok(Vec::new())
    }
    async fn offset_at(&self, _: &Topic, _: i32, _: i64) -> Result<Option<i64>, LogError> {
        Ok(None)
    }
    async fn set_offsets(&self, _: &str, _: &Topic, _: &[(i32, i64)]) -> Result<(), LogError> {
        Ok(())
    }
    async fn members(&self, _: &str) -> Result<Vec<MemberInfo>, LogError> {
        Ok(Vec::new())
    }
}

pub struct NoMember;

impl Member for NoMember {
    async fn next(&mut self, _: Budget) -> Result<Vec<LogRecord>, LogError> {
        Ok(Vec::new())
    }
    async fn lost(&mut self) {}
    async fn commit(&mut self, _: Vec<NewRecord>) -> Result<Commit, LogError> {
        Ok(Commit::Done)
    }
    async fn rewind(&mut self) -> Result<(), LogError> {
        Ok(())
    }
    fn assignment(&self) -> Vec<(Topic, i32)> {
        Vec::new()
    }
    async fn leave(self) -> Result<(), LogError> {
        Ok(())
    }
}

/// A pseudo-random sequence that is the same in every run.
pub fn next(mut x: u64) -> u64 {
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}

#[derive(Clone)]
pub struct FakeSpool {
    pub held: Arc<Mutex<VecDeque<Spooled>>>,
    pub limit: usize,
    seq: Arc<AtomicI64>,
}

impl FakeSpool {
    pub fn new(limit: usize) -> Self {
        Self {
            held: Arc::default(),
            limit,
            seq: Arc::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.held.lock().unwrap().len()
    }
}

impl Spool for FakeSpool {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), SpoolError> {
        sleep(Duration::from_millis(1)).await;
        let mut held = self.held.lock().unwrap();
        if held.len() + records.len() > self.limit {
            return Err(SpoolError::Full(format!("{} records", self.limit)));
        }
        for record in records {
            let seq = self.seq.fetch_add(1, Ordering::SeqCst);
            held.push_back(Spooled { seq, record });
        }
        Ok(())
    }

    async fn front(&self, most: usize) -> Result<Vec<Spooled>, SpoolError> {
        Ok(self.held.lock().unwrap().iter().take(most).cloned().collect())
    }

    async fn remove(&self, seqs: &[i64]) -> Result<(), SpoolError> {
        sleep(Duration::from_millis(1)).await;
        self.held.lock().unwrap().retain(|s| !seqs.contains(&s.seq));
        Ok(())
    }

    async fn level(&self) -> Result<SpoolLevel, SpoolError> {
        let held = self.held.lock().unwrap();
        Ok(SpoolLevel {
            records: held.len() as u64,
            bytes: held.iter().map(|s| s.record.value.len() as u64).sum(),
        })
    }
}

/// Takes any object with a `mac`; an object with `device_id` is an API call. Gateways that start with 02 are known.
pub struct FakeRules;

impl Rules for FakeRules {
    fn admit(&self, body: &[u8], _: Timestamp, _: bool) -> Result<Admission, Refusal> {
        let refusal = |code, field: Option<&str>| Refusal {
            code,
            field: field.map(str::to_owned),
            message: "not like this".to_owned(),
            suggestion: "like that".to_owned(),
        };
        let value: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| refusal(RefusalCode::InvalidJson, None))?;
        let object = value
            .as_object()
            .ok_or_else(|| refusal(RefusalCode::InvalidJson, None))?;
        let api_call = object.contains_key("device_id");
        let field = if api_call { "device_id" } else { "mac" };
        let gateway: Mac = object
            .get(field)
            .and_then(serde_json::Value::as_str)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| refusal(RefusalCode::InvalidMacAddress, Some(field)))?;
        if let Some(wrong) = object.get("refuse").and_then(serde_json::Value::as_str) {
            let code = match wrong {
                "missing" => RefusalCode::ValidationMissingField,
                "type" => RefusalCode::InvalidType,
                _ => RefusalCode::InvalidFormat,
            };
            return Err(refusal(code, Some("data.systolic")));
        }
        let many = object
            .get("readings")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        Ok(Admission {
            gateway,
            api_call,
            observation_ids: (0..many).map(|n| Uuid::from_u128(u128::from(n) + 1)).collect(),
        })
    }

    fn version(&self) -> &str {
        "test"
    }

    fn knows(&self, _: &Registry, gateway: Mac) -> bool {
        gateway.octets()[0] == 2
    }
}
