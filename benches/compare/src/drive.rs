//! The loops of clients, whatever they speak and whatever they run on.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};

use crate::contender::Load;
use crate::meter::Meter;
use crate::scenario::Shape;

/// A connection on which answers come in the order of their requests.
pub trait Pipe: Send + 'static {
    /// Sends a request.
    fn send(&mut self, request: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// The next answer.
    fn receive(&mut self) -> impl Future<Output = Result<&[u8]>> + Send;
}

/// A connection that serves several requests at once. Clones share it.
pub trait Caller: Clone + Send + 'static {
    /// Sends a request and waits for its answer.
    fn call(&mut self, request: Bytes) -> impl Future<Output = Result<Bytes>> + Send;
}

/// Runs a task apart from its caller, who gets its end.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, Result<()>>) -> BoxFuture<'static, Result<()>>>;

/// Loads as many pipes as the scenario has connections.
pub async fn pipes<P: Pipe>(
    load: &Load,
    spawn: Spawn,
    connect: impl AsyncFn(SocketAddr) -> Result<P>,
) -> Result<()> {
    let Shape { conns, depth, .. } = load.shape;
    let mut pipes = Vec::new();
    for _ in 0..conns {
        pipes.push(connect(load.address).await?);
    }
    if load.meter.holds() {
        for pipe in &mut pipes {
            let Some(request) = load.meter.next() else {
                break;
            };
            let sent = Instant::now();
            pipe.send(request.clone()).await?;
            load.meter.answered(&request, pipe.receive().await?, sent);
        }
        return hold(load).await;
    }
    load.meter.connected();
    let run = |pipe| spawn(Box::pin(run_pipe(pipe, depth, load.meter.clone())));
    try_join_all(pipes.into_iter().map(run)).await?;
    Ok(())
}

/// Loads as many connections with as many callers as the scenario has.
pub async fn callers<C: Caller>(
    load: &Load,
    spawn: Spawn,
    connect: impl AsyncFn(SocketAddr) -> Result<C>,
) -> Result<()> {
    let Shape { conns, depth, .. } = load.shape;
    let mut callers = Vec::new();
    for _ in 0..conns {
        let caller = connect(load.address).await?;
        callers.extend(std::iter::repeat_n(caller, depth));
    }
    if load.meter.holds() {
        for caller in callers.iter_mut().step_by(depth) {
            let Some(request) = load.meter.next() else {
                break;
            };
            let sent = Instant::now();
            let answer = caller.call(request.clone()).await?;
            load.meter.answered(&request, &answer, sent);
        }
        return hold(load).await;
    }
    load.meter.connected();
    let run = |caller| spawn(Box::pin(run_caller(caller, load.meter.clone())));
    try_join_all(callers.into_iter().map(run)).await?;
    Ok(())
}

/// Does nothing any more, while the connections of the caller stay up.
async fn hold(load: &Load) -> Result<()> {
    load.meter.connected();
    pending().await
}

async fn run_pipe<P: Pipe>(mut pipe: P, depth: usize, meter: Arc<Meter>) -> Result<()> {
    let mut flying = VecDeque::with_capacity(depth);
    loop {
        while flying.len() < depth
            && let Some(request) = meter.next()
        {
            flying.push_back((request.clone(), Instant::now()));
            pipe.send(request).await?;
        }
        let Some((request, sent)) = flying.pop_front() else {
            return Ok(());
        };
        meter.answered(&request, pipe.receive().await?, sent);
    }
}

async fn run_caller<C: Caller>(mut caller: C, meter: Arc<Meter>) -> Result<()> {
    while let Some(request) = meter.next() {
        let sent = Instant::now();
        let answer = caller.call(request.clone()).await?;
        meter.answered(&request, &answer, sent);
    }
    Ok(())
}
