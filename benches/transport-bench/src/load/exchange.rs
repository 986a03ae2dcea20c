//! What one request of the load is, and what became of it.

use std::time::Instant;

use bytes::Bytes;
use oap_core::SendError;
use oap_core::driver::test_apps::{ECHO, SINK};
use oap_tokio::{CallError, Fin, Head, Response, Session};

use super::Shape;
use super::recorder::Outcome;

/// A request that is over.
pub(super) struct Done {
    /// From here its latency counts.
    pub(super) intended: Instant,
    pub(super) sent: Instant,
    pub(super) answered: Instant,
    /// Payload bytes that the server has had.
    pub(super) bytes: u64,
    pub(super) outcome: Outcome,
}

/// Sends `body` in the given shape. One that goes one way is sent again and again until `end`.
pub(super) async fn request(
    session: &Session,
    shape: Shape,
    body: Bytes,
    intended: Instant,
    end: Instant,
) -> Done {
    let sent = Instant::now();
    if shape == Shape::OneWay {
        return one_way(session, body, end).await;
    }
    let result = match shape {
        Shape::Unary => session.request(Head::new(ECHO), body.clone()).await,
        _ => stream(session, body.clone()).await,
    };
    Done {
        intended,
        sent,
        answered: Instant::now(),
        bytes: body.len() as u64,
        outcome: judge(result, &body),
    }
}

/// An exchange that shares its lane with no other.
async fn stream(session: &Session, body: Bytes) -> Result<Response, CallError> {
    let most = body.len();
    let exchange = session.open(Head::new(ECHO), body, Fin::End).await?;
    exchange.response(most).await
}

/// One exchange of many chunks. The server answers with the number of bytes that it has had; the
/// latency is that of this answer.
async fn one_way(session: &Session, chunk: Bytes, end: Instant) -> Done {
    let (mut bytes, mut last) = (0, Instant::now());
    let result = upload(session, &chunk, end, &mut bytes, &mut last).await;
    Done {
        intended: last,
        sent: last,
        answered: Instant::now(),
        bytes,
        outcome: judge(result, &bytes.to_le_bytes()),
    }
}

async fn upload(
    session: &Session,
    chunk: &Bytes,
    end: Instant,
    bytes: &mut u64,
    last: &mut Instant,
) -> Result<Response, CallError> {
    let mut exchange = session
        .open(Head::new(SINK), Bytes::new(), Fin::More)
        .await?;
    while Instant::now() < end {
        exchange.send(chunk.clone()).await?;
        *bytes += chunk.len() as u64;
    }
    exchange.finish(Bytes::new())?;
    *last = Instant::now();
    exchange.response(size_of::<u64>()).await
}

fn judge(result: Result<Response, CallError>, due: &[u8]) -> Outcome {
    match result {
        Ok(response) => match response.reason() {
            Some(reason) => Outcome::Failed(reason.name()),
            None if response.body == due => Outcome::Echoed,
            None => Outcome::Mismatched,
        },
        Err(error) => {
            let reason = error.reason().name();
            match error {
                CallError::Closed(_) | CallError::Send(SendError::Closed | SendError::Draining) => {
                    Outcome::Lost(reason)
                }
                _ => Outcome::Failed(reason),
            }
        }
    }
}
