//! The writer thread: many jobs, one transaction, one fsync.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::bells::{Bell, Bells};
use crate::error::DbError;

/// Most jobs of one transaction.
const MOST_JOBS: usize = 1_024;
/// A transaction takes no further jobs after this time, so that the first does not wait for ever.
const MOST_TIME: Duration = Duration::from_millis(20);
/// After writing this long without a pause the lock is left open for an instant: another process may wait for it.
const TURN: Duration = Duration::from_millis(200);
const GAP: Duration = Duration::from_millis(2);

/// What a job works with.
pub(crate) struct Unit<'c> {
    /// The connection, inside a transaction and a savepoint.
    pub(crate) conn: &'c Connection,
    rings: Vec<Bell>,
}

impl<'c> Unit<'c> {
    /// Of a transaction that is open.
    pub(crate) const fn new(conn: &'c Connection) -> Self {
        Self {
            conn,
            rings: Vec::new(),
        }
    }

    /// Rings this bell once the transaction is durable.
    pub(crate) fn ring(&mut self, bell: Bell) {
        if !self.rings.contains(&bell) {
            self.rings.push(bell);
        }
    }
}

/// A job of any type.
trait Job: Send {
    /// Works inside its savepoint; false where it failed.
    fn run(&mut self, unit: &mut Unit<'_>) -> bool;
    /// Tells the caller; an error takes the place of what the job answered.
    fn answer(self: Box<Self>, transaction: Result<(), DbError>);
}

struct Task<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: FnOnce(&mut Unit<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<DbError> + Send,
{
    fn run(&mut self, unit: &mut Unit<'_>) -> bool {
        let result = self.work.take().map(|work| work(unit));
        self.result = result;
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, transaction: Result<(), DbError>) {
        let result = match (transaction, self.result) {
            (Err(e), _) => Err(e.into()),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(DbError::Closed.into()),
        };
        // The caller may have gone; the work stands.
        let _ = self.reply.send(result);
    }
}

enum Order {
    Work(Box<dyn Job>),
    End(oneshot::Sender<()>),
}

/// Hands jobs to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    orders: mpsc::UnboundedSender<Order>,
}

impl Writer {
    /// Starts the thread. `farewell` is its last job; `lock` is let go at the very end.
    pub(crate) fn start(
        conn: Connection,
        bells: Arc<Bells>,
        lock: Option<File>,
        farewell: impl FnOnce(&Connection) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, mut inbox) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("stardust-writer".into())
            .spawn(move || {
                let told = serve(&conn, &bells, &mut inbox);
                farewell(&conn);
                // A file at rest is whole by itself. Where readers are in the way, the next opening reads the rest.
                if let Err(e) = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
                    tracing::debug!("the last checkpoint: {e}");
                }
                drop(conn);
                drop(lock);
                // Whoever still hands in jobs hears that the file is closed.
                drop(inbox);
                if let Some(told) = told {
                    let _ = told.send(());
                }
            })?;
        Ok(Self { orders })
    }

    /// Hands in a job. The answer comes once it is durable.
    pub(crate) fn submit<F, T, E>(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        work: F,
    ) -> oneshot::Receiver<Result<T, E>>
    where
        F: FnOnce(&mut Unit<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            result: None,
            reply,
            _permit: permit,
        };
        // Where the thread has ended the task is dropped, and with it the other end of `answer`.
        let _ = self.orders.send(Order::Work(Box::new(task)));
        answer
    }

    /// Ends the thread after the jobs handed in so far.
    pub(crate) fn end(&self) -> oneshot::Receiver<()> {
        let (told, ended) = oneshot::channel();
        let _ = self.orders.send(Order::End(told));
        ended
    }
}

fn serve(
    conn: &Connection,
    bells: &Bells,
    inbox: &mut mpsc::UnboundedReceiver<Order>,
) -> Option<oneshot::Sender<()>> {
    let mut busy_since = None;
    loop {
        let order = match inbox.try_recv() {
            Ok(order) => order,
            Err(mpsc::error::TryRecvError::Disconnected) => return None,
            Err(mpsc::error::TryRecvError::Empty) => {
                busy_since = None;
                inbox.blocking_recv()?
            }
        };
        let first = match order {
            Order::Work(job) => job,
            Order::End(told) => return Some(told),
        };
        let since = *busy_since.get_or_insert_with(Instant::now);
        let ended = transaction(conn, bells, first, inbox);
        if ended.is_some() {
            return ended;
        }
        if since.elapsed() > TURN {
            std::thread::sleep(GAP);
            busy_since = None;
        }
    }
}

/// One transaction of the first job and whatever else is waiting.
fn transaction(
    conn: &Connection,
    bells: &Bells,
    first: Box<dyn Job>,
    inbox: &mut mpsc::UnboundedReceiver<Order>,
) -> Option<oneshot::Sender<()>> {
    if let Err(e) = execute(conn, "BEGIN IMMEDIATE") {
        first.answer(Err(e));
        return None;
    }
    let start = Instant::now();
    let mut unit = Unit::new(conn);
    let mut done = Vec::new();
    let mut next = Some(first);
    let mut ended = None;
    while let Some(job) = next.take() {
        match savepoint(&mut unit, job) {
            Ok(job) => done.push(job),
            Err((job, e)) => {
                // SQLite has undone the whole transaction (no space, a failing disk): nobody's work stands.
                done.push(job);
                answer_all(done, &Err(e));
                return None;
            }
        }
        if done.len() < MOST_JOBS && start.elapsed() < MOST_TIME {
            match inbox.try_recv() {
                Ok(Order::Work(job)) => next = Some(job),
                Ok(Order::End(told)) => ended = Some(told),
                Err(_) => {}
            }
        }
    }
    let committed = execute(conn, "COMMIT");
    if committed.is_err() && !conn.is_autocommit() {
        let _ = execute(conn, "ROLLBACK");
    }
    if committed.is_ok() {
        for bell in &unit.rings {
            bells.ring(bell);
        }
    }
    answer_all(done, &committed);
    ended
}

/// Runs a job so that its failure undoes only its own work; an error where the whole transaction is gone.
fn savepoint(unit: &mut Unit<'_>, mut job: Box<dyn Job>) -> Result<Box<dyn Job>, (Box<dyn Job>, DbError)> {
    if let Err(e) = execute(unit.conn, "SAVEPOINT job") {
        return Err((job, gone(unit.conn, e)));
    }
    let rings = unit.rings.len();
    let worked = job.run(unit);
    if unit.conn.is_autocommit() {
        return Err((
            job,
            DbError::Full("the disk is full or failing; the write was undone".into()),
        ));
    }
    let ended = if worked {
        execute(unit.conn, "RELEASE job")
    } else {
        unit.rings.truncate(rings);
        execute(unit.conn, "ROLLBACK TO job").and_then(|()| execute(unit.conn, "RELEASE job"))
    };
    match ended {
        Ok(()) => Ok(job),
        Err(e) => Err((job, gone(unit.conn, e))),
    }
}

/// Makes sure that no transaction is left open.
fn gone(conn: &Connection, e: DbError) -> DbError {
    if !conn.is_autocommit() {
        let _ = execute(conn, "ROLLBACK");
    }
    e
}

fn answer_all(jobs: Vec<Box<dyn Job>>, outcome: &Result<(), DbError>) {
    for job in jobs {
        job.answer(outcome.clone());
    }
}

fn execute(conn: &Connection, sql: &str) -> Result<(), DbError> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stardust_pipeline::log::{Log, LogError, NewRecord, Topic, TopicSpec};
    use stardust_pipeline::spool::{Spool, SpoolError};

    use crate::Embedded;
    use crate::error::DbError;

    fn spec(name: &str) -> TopicSpec {
        TopicSpec {
            topic: Topic::new(name),
            partitions: 2,
            retention: None,
            compacted: false,
        }
    }

    fn record(topic: &str, bytes: usize) -> NewRecord {
        NewRecord {
            topic: Topic::new(topic),
            key: "k".into(),
            value: vec![1; bytes].into(),
        }
    }

    /// Holds the writer, so that what is handed in meanwhile becomes one transaction.
    fn hold(file: &Embedded) {
        drop(file.shared.writer.submit(None, |_| {
            std::thread::sleep(Duration::from_millis(100));
            Ok::<_, DbError>(())
        }));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failing_job_undoes_only_its_own_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open(folder.path(), "test").unwrap();
        let log = file.log();
        hold(&file);
        let zero = TopicSpec {
            partitions: 0,
            ..spec("zero")
        };
        let (first, second) = ([spec("a")], [spec("b"), zero]);
        let third = [spec("c")];
        let (a, b, c) = tokio::join!(log.create(&first), log.create(&second), log.create(&third));
        assert_eq!((a.unwrap().len(), c.unwrap().len()), (1, 1));
        assert!(matches!(b, Err(LogError::Refused(_))), "{b:?}");
        let names = [Topic::new("a"), Topic::new("b"), Topic::new("c")];
        let found = log.describe(&names).await.unwrap();
        let found: Vec<_> = found.iter().map(|s| s.spec.topic.as_str()).collect();
        assert_eq!(found, ["a", "c"], "the half of b is undone");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_is_said_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open(folder.path(), "test").unwrap();
        let (log, spool) = (file.log(), file.spool(1 << 30));
        log.create(&[spec("t")]).await.unwrap();
        let limit = |pages: i64| {
            file.shared.write(move |unit| {
                let now: i64 = unit.conn.query_row("PRAGMA page_count", [], |r| r.get(0))?;
                let most = format!("PRAGMA max_page_count = {}", now + pages);
                unit.conn.query_row(&most, [], |_| Ok(()))?;
                Ok::<_, DbError>(())
            })
        };
        limit(20).await.unwrap();
        hold(&file);
        let (small, big, other) = tokio::join!(
            log.publish(vec![record("t", 100)]),
            spool.append(vec![record("t", 1 << 20)]),
            log.publish(vec![record("t", 100)]),
        );
        assert!(matches!(big, Err(SpoolError::Full(_))), "{big:?}");
        let mut stored = 0;
        for answer in small.into_iter().chain(other) {
            match answer {
                Ok(_) => stored += 1,
                Err(e) => assert!(e.is_retriable(), "{e:?}"),
            }
        }
        let count =
            |bounds: Vec<stardust_pipeline::log::Bounds>| bounds.iter().map(|b| b.high - b.low).sum::<i64>();
        assert_eq!(
            count(log.bounds(&Topic::new("t")).await.unwrap()),
            stored,
            "what was answered stands"
        );
        assert!(
            log.publish(vec![record("t", 100)]).await[0].is_ok(),
            "what fits is taken"
        );
        let big = log.publish(vec![record("t", 1 << 20)]).await.remove(0);
        assert!(big.is_err_and(|e| e.is_retriable()), "a full disk may be emptied");
        limit(1_000_000).await.unwrap();
        spool.append(vec![record("t", 1 << 20)]).await.unwrap();
        assert_eq!(spool.level().await.unwrap().records, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_goes_on_where_its_caller_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open(folder.path(), "test").unwrap();
        let log = file.log();
        log.create(&[spec("t")]).await.unwrap();
        hold(&file);
        let publish = log.publish(vec![record("t", 1)]);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), publish)
                .await
                .is_err()
        );
        file.close().await;
        let log = Embedded::open(folder.path(), "test").unwrap().log();
        assert_eq!(log.lag("g", &Topic::new("t")).await.unwrap(), 1);
    }
}
