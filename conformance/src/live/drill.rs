//! A client that follows the drill: it asks the server of [`serve`](super::serve) for tasks and does
//! them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SINK, SOURCE};
use oap_core::driver::{CallError, Exchange, Session};
use oap_core::{Code, Config, Fin, Head};
use oap_tokio::TokioRuntime;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::Dial;
use super::draft::pattern;
use super::serve::DRILL;

/// Connections at most, so that a server that never says `done` does not keep it.
const MOST: usize = 1_000;
/// How often in a row the server may not be there.
const REFUSALS: usize = 3;
/// How long one connection may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Pieces of an upload.
const PIECE: usize = 16 * 1_024;

/// What the server wants.
#[derive(Debug, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
enum Task {
    Echo { count: u32, bytes: usize },
    Open { count: u32 },
    Upload { bytes: usize },
    Download { bytes: u64 },
    Cancel,
    Events { count: u32 },
    Wait,
    Done,
}

/// How a task went.
#[derive(Debug, Serialize)]
struct Told {
    outcome: &'static str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

/// Why a task failed: what was answered, or the exchange's end.
enum Failed {
    Answer(Code),
    Call(CallError),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Follows the drill until it is done; returns how many connections that took.
///
/// # Errors
/// The server is not there, or never says that the drill is done.
pub async fn run(dial: &dyn Dial) -> io::Result<usize> {
    let mut refused = 0;
    for connections in 1..=MOST {
        match dial.dial().await {
            Err(error) if refused + 1 == REFUSALS => return Err(error),
            Err(_) => refused += 1,
            Ok(transport) => {
                refused = 0;
                let runtime = TokioRuntime::current();
                let session = Session::connect(&runtime, transport, Config::default());
                let done = timeout(LIMIT, async {
                    match session.await {
                        Ok(session) => one(session).await,
                        // Its HELLO was not answered well: the next connection is another case.
                        Err(_) => false,
                    }
                });
                if done.await.unwrap_or(false) {
                    return Ok(connections);
                }
            }
        }
    }
    Err(io::Error::other("the server never says `done`"))
}

/// One connection; returns whether the drill is done.
async fn one(session: Session) -> bool {
    let task = ask(&session).await;
    let done = matches!(task, Some(Task::Done));
    if let Some(task) = task.filter(|_| !done) {
        let told = match perform(&session, task).await {
            Ok(bytes) => Told {
                outcome: "ok",
                bytes,
                code: None,
            },
            Err(failed) => Told {
                outcome: "failed",
                bytes: 0,
                code: match failed {
                    Failed::Answer(code) => Some(code.get()),
                    Failed::Call(error) => Some(error.code().get()),
                },
            },
        };
        if let Ok(body) = serde_json::to_vec(&told) {
            // Where the connection has ended there is nobody to tell.
            let _ = session.request(Head::new(DRILL), body).await;
        }
    }
    session.close();
    session.closed().await;
    done
}

async fn ask(session: &Session) -> Option<Task> {
    let answer = session.request(Head::new(DRILL), Bytes::new()).await.ok()?;
    serde_json::from_slice(&answer.body).ok()
}

async fn perform(session: &Session, task: Task) -> Result<u64, Failed> {
    match task {
        Task::Echo { count, bytes } => {
            for _ in 0..count {
                let body = session.compress(pattern(bytes).into());
                let answer = session.request(Head::new(ECHO), body).await?;
                if answer.code.is_error() {
                    return Err(Failed::Answer(answer.code));
                }
            }
            Ok(u64::from(count) * bytes as u64)
        }
        Task::Open { count } => open(session, count).await,
        Task::Upload { bytes } => upload(session, bytes).await,
        Task::Download { bytes } => {
            let wanted = bytes.to_le_bytes().to_vec();
            let exchange = session.open(Head::new(SOURCE), wanted, Fin::End).await?;
            read(exchange).await
        }
        Task::Cancel => {
            let wanted = 10_000_000_u64.to_le_bytes().to_vec();
            let mut exchange = session.open(Head::new(SOURCE), wanted, Fin::End).await?;
            exchange.recv().await?;
            exchange.cancel(Code::TIMEOUT);
            session.request(Head::new(ECHO), pattern(10)).await?;
            Ok(0)
        }
        Task::Events { count } => {
            let wanted = count.to_le_bytes().to_vec();
            let exchange = session.open(Head::new(EVENTS), wanted, Fin::End).await?;
            read(exchange).await
        }
        Task::Wait => {
            session.closed().await;
            Ok(0)
        }
        Task::Done => Ok(0),
    }
}

async fn open(session: &Session, count: u32) -> Result<u64, Failed> {
    let mut open = JoinSet::new();
    for _ in 0..count {
        let session = session.clone();
        open.spawn(async move {
            let nothing = 0_u32.to_le_bytes().to_vec();
            session.request(Head::new(DELAY), nothing).await
        });
    }
    while let Some(done) = open.join_next().await {
        match done {
            Ok(answer) => drop(answer?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(0)
}

async fn upload(session: &Session, bytes: usize) -> Result<u64, Failed> {
    let mut left = bytes;
    let first = pattern(left.min(PIECE));
    left -= first.len();
    let mut exchange = session.open(Head::new(SINK), first, Fin::More).await?;
    while left > 0 {
        let piece = pattern(left.min(PIECE));
        left -= piece.len();
        exchange.send(piece).await?;
    }
    exchange.finish(Bytes::new())?;
    read(exchange).await?;
    Ok(bytes as u64)
}

/// Payload bytes of an answer and its events.
async fn read(mut exchange: Exchange) -> Result<u64, Failed> {
    let mut bytes = 0;
    while let Some(message) = exchange.recv().await? {
        if message.fin.is_end() && message.code.is_error() {
            return Err(Failed::Answer(message.code));
        }
        bytes += message.payload.wire_len() as u64;
    }
    Ok(bytes)
}
