//! The one writer: group commit.
//!
//! Every waiting job runs in one transaction; all are answered after the one commit. The group forms by
//! itself while the commit before it is on its way to the disk, so nothing waits when the writer is idle.
//!
//! A savepoint copies each page before its first change, which costs more than most jobs: a group runs
//! without. When a job fails, what the group did is undone, and each of it runs again in a savepoint of
//! its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use task_protocols::{StoreError, StoreResult};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::store_error;

/// Jobs of one commit at most: bounds how long the first of them waits.
const MAX_GROUP: usize = 256;

/// Jobs that may wait; beyond that callers are told to come again.
const MAX_QUEUE: usize = 4096;
/// Longest wait for a place in the queue.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A change on its way to the disk.
trait Job: Send {
    /// Does the work, which may be undone and done again; whether it stands.
    fn run(&mut self, conn: &mut SqliteConnection) -> bool;
    /// Answers, after the commit or its failure.
    fn answer(self: Box<Self>, committed: Result<(), String>);
    /// Whether it needs the connection outside a transaction.
    fn is_exclusive(&self) -> bool;
}

struct TypedJob<T, F> {
    work: F,
    outcome: StoreResult<T>,
    /// Takes the work back as well: its caller has the time to drop it.
    reply: oneshot::Sender<(StoreResult<T>, F)>,
    exclusive: bool,
}

impl<T, F> Job for TypedJob<T, F>
where
    T: Send,
    F: Fn(&mut SqliteConnection) -> StoreResult<T> + Send,
{
    fn run(&mut self, conn: &mut SqliteConnection) -> bool {
        self.outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(conn)))
            .unwrap_or_else(|_| Err(StoreError::internal("the change panicked")));
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), String>) {
        let outcome = match committed {
            Ok(()) => self.outcome,
            Err(message) => Err(StoreError::unavailable(message)),
        };
        // Nobody waits any more when the request was dropped.
        let _ = self.reply.send((outcome, self.work));
    }

    fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

/// Hands jobs to the writer thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Jobs in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    pub(super) fn start(connection: SqliteConnection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(MAX_QUEUE);
        let thread =
            std::thread::Builder::new().name("sqlite-writer".into()).spawn(move || work_off(connection, queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job in a transaction; `Ok` only after the commit. An error undoes the job, and no other.
    /// It may run twice, the first time for nothing: what it does outside of the database MUST bear that.
    pub(super) async fn run<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.submit(move |conn| work(conn).map_err(store_error), false).await
    }

    /// Runs a job alone and outside a transaction.
    pub(super) async fn exclusive<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut SqliteConnection) -> StoreResult<T> + Send + 'static,
    {
        self.submit(work, true).await
    }

    async fn submit<T, F>(&self, work: F, exclusive: bool) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut SqliteConnection) -> StoreResult<T> + Send + 'static,
    {
        let gone = || StoreError::unavailable("the writer has ended");
        let (reply, answer) = oneshot::channel();
        let job = TypedJob { work, outcome: Err(StoreError::internal("not run")), reply, exclusive };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        match jobs.send_timeout(Box::new(job), MAX_WAIT).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return Err(StoreError::unavailable("the writer is too busy")),
            Err(SendTimeoutError::Closed(_)) => return Err(gone()),
        }
        let (outcome, _work) = answer.await.map_err(|_| gone())?;
        outcome
    }
}

impl Drop for Writer {
    /// Lets the thread finish what was handed to it.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work_off(mut conn: SqliteConnection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        if first.is_exclusive() {
            run_alone(&mut conn, first);
            continue;
        }
        let mut group = vec![first];
        let mut alone = None;
        while group.len() < MAX_GROUP {
            match queue.try_recv() {
                Ok(job) if job.is_exclusive() => {
                    alone = Some(job);
                    break;
                }
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let committed = commit_group(&mut conn, &mut group);
        for job in group {
            job.answer(committed.clone());
        }
        if let Some(job) = alone {
            run_alone(&mut conn, job);
        }
    }
}

fn run_alone(conn: &mut SqliteConnection, mut job: Box<dyn Job>) {
    job.run(conn);
    job.answer(Ok(()));
}

/// One transaction for the whole group.
fn commit_group(conn: &mut SqliteConnection, group: &mut [Box<dyn Job>]) -> Result<(), String> {
    let attempt = (|| -> QueryResult<()> {
        conn.batch_execute("BEGIN IMMEDIATE")?;
        if !group.iter_mut().all(|job| job.run(conn)) {
            // Some failures end the transaction by themselves.
            let _ = conn.batch_execute("ROLLBACK");
            conn.batch_execute("BEGIN IMMEDIATE")?;
            for job in group {
                run_in_savepoint(conn, job)?;
            }
        }
        conn.batch_execute("COMMIT")
    })();
    attempt.map_err(|error| {
        // Whatever state it is in, the next group starts clean; without a transaction this does nothing.
        let _ = conn.batch_execute("ROLLBACK");
        tracing::error!(%error, "a group of changes was not committed");
        error.to_string()
    })
}

/// A job that fails is undone, and nothing else.
fn run_in_savepoint(conn: &mut SqliteConnection, job: &mut Box<dyn Job>) -> QueryResult<()> {
    conn.batch_execute("SAVEPOINT job")?;
    let end = if job.run(conn) { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    conn.batch_execute(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::sql_query;
    use diesel::sql_types::BigInt;
    use std::sync::Arc;

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    async fn writer() -> Arc<Writer> {
        let writer = Writer::start(SqliteConnection::establish(":memory:").unwrap()).unwrap();
        writer
            .exclusive(|conn| conn.batch_execute("CREATE TABLE t (n INTEGER PRIMARY KEY)").map_err(store_error))
            .await
            .unwrap();
        Arc::new(writer)
    }

    fn insert(n: i32) -> impl Fn(&mut SqliteConnection) -> QueryResult<usize> + Send + 'static {
        move |conn| sql_query("INSERT INTO t VALUES (?)").bind::<diesel::sql_types::Integer, _>(n).execute(conn)
    }

    async fn count(writer: &Writer) -> i64 {
        writer.run(|conn| sql_query("SELECT count(*) AS n FROM t").get_result::<Count>(conn)).await.unwrap().n
    }

    #[tokio::test]
    async fn a_job_that_fails_or_panics_leaves_the_others_of_its_group() {
        let writer = writer().await;
        // Holds the thread until all have been queued, so that they form one group.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = writer.run(move |_| Ok(wait.recv().is_err()));
        let panicking = writer.run(|_| -> QueryResult<()> { panic!("in a job") });
        let jobs =
            async { tokio::join!(writer.run(insert(1)), writer.run(insert(1)), panicking, writer.run(insert(2))) };
        let release = async move {
            tokio::task::yield_now().await;
            // For good: it may run a second time, in one group with them.
            drop(go);
        };
        let (_, (one, twice, panicked, two), ()) = tokio::join!(first, jobs, release);
        assert!(one.is_ok() && two.is_ok());
        assert!(twice.is_err() && panicked.is_err());
        assert_eq!(count(&writer).await, 2);
    }
}
