//! One call of every kind, each of which must end.

use bytes::Bytes;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SOURCE, STATUS, source_bytes};
use oap_core::driver::{CallError, MessageKind, Response, Session};
use oap_core::{Code, Fin, Head, Reason};

use crate::suite::within;

/// How a call ended. That it has one of these is what is tested; a wrong answer is a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With its own, right answer.
    Answered,
    /// With a reason of the closed list.
    Failed(Reason),
}

impl From<Result<(), Failed>> for Outcome {
    fn from(result: Result<(), Failed>) -> Self {
        match result {
            Ok(()) => Self::Answered,
            Err(Failed(reason)) => Self::Failed(reason),
        }
    }
}

/// Why there is no answer, or what an answer of 400 and up names.
struct Failed(Reason);

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self(error.reason())
    }
}

/// An answer below 400.
fn good(response: Response) -> Result<Response, Failed> {
    match response.reason() {
        Some(reason) => Err(Failed(reason)),
        None => Ok(response),
    }
}

/// Makes one call of every kind, one after the other: unary, streamed, a download in a window,
/// events, a delayed one, an error, one that is given up, and a PING.
///
/// # Panics
/// If a call has not ended within 30 s, or has a wrong answer.
pub async fn all_calls(session: &Session) -> Vec<Outcome> {
    let outcomes = [
        within("an echo ends", echo(session)).await,
        within("a streamed echo ends", streamed_echo(session)).await,
        within("a download ends", download(session)).await,
        within("events end", events(session)).await,
        within("a delayed answer ends", delayed(session)).await,
        within("an error ends", error(session)).await,
        within("a call is given up", given_up(session)).await,
        within("a PING ends", ping(session)).await,
    ];
    outcomes.into_iter().map(Outcome::from).collect()
}

async fn echo(session: &Session) -> Result<(), Failed> {
    let body = Bytes::from_static(b"one of a kind");
    let response = good(session.request(Head::new(ECHO), body.clone()).await?)?;
    assert_eq!(response.body, body);
    Ok(())
}

async fn streamed_echo(session: &Session) -> Result<(), Failed> {
    const CHUNKS: u8 = 3;
    const CHUNK: usize = 20 * 1024;
    let chunk = |number| Bytes::from(vec![number; CHUNK]);
    let mut exchange = session.open(Head::new(ECHO), chunk(0), Fin::More).await?;
    for number in 1..CHUNKS - 1 {
        exchange.send(chunk(number)).await?;
    }
    exchange.finish(chunk(CHUNKS - 1))?;
    let response = good(exchange.response(usize::MAX).await?)?;
    let sent: Vec<u8> = (0..CHUNKS).flat_map(chunk).collect();
    assert!(response.body == sent, "a streamed echo came back wrong");
    Ok(())
}

async fn download(session: &Session) -> Result<(), Failed> {
    const BYTES: usize = 300_000;
    let ask = Bytes::copy_from_slice(&(BYTES as u64).to_le_bytes());
    let response = good(session.request(Head::new(SOURCE), ask).await?)?;
    assert!(
        response.body == source_bytes(0, BYTES),
        "a download came wrong"
    );
    Ok(())
}

async fn events(session: &Session) -> Result<(), Failed> {
    const EVENT_COUNT: u32 = 5;
    let ask = Bytes::copy_from_slice(&EVENT_COUNT.to_le_bytes());
    let mut exchange = session.open(Head::new(EVENTS), ask, Fin::End).await?;
    let mut next = 0_u32;
    while let Some(message) = exchange.recv().await? {
        if message.code.is_error() {
            return Err(Failed(message.code.into()));
        }
        if message.kind == MessageKind::Event {
            assert_eq!(message.payload.wire_bytes()[..], next.to_le_bytes());
            next += 1;
        }
    }
    assert_eq!(next, EVENT_COUNT);
    Ok(())
}

async fn delayed(session: &Session) -> Result<(), Failed> {
    let ask = Bytes::copy_from_slice(&2_u32.to_le_bytes());
    let response = good(session.request(Head::new(DELAY), ask).await?)?;
    assert_eq!(response.code, Code::OK);
    Ok(())
}

async fn error(session: &Session) -> Result<(), Failed> {
    let ask = Bytes::copy_from_slice(&404_u16.to_le_bytes());
    let response = session.request(Head::new(STATUS), ask).await?;
    match response.reason() {
        Some(Reason::NotFound) => Ok(()),
        Some(reason) => Err(Failed(reason)),
        None => panic!("an error was asked for"),
    }
}

async fn given_up(session: &Session) -> Result<(), Failed> {
    let ask = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
    let exchange = session.open(Head::new(DELAY), ask, Fin::End).await?;
    exchange.cancel(Code::TIMEOUT);
    Ok(())
}

async fn ping(session: &Session) -> Result<(), Failed> {
    session.ping().await?;
    Ok(())
}
