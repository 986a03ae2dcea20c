//! The one thread of a process on smol.

use std::future::Future;
use std::sync::Arc;

use anyhow::Result;
use smol::Executor;

use crate::drive::Spawn;

/// Runs a program to its end on an executor of its own.
pub fn run<F>(program: impl FnOnce(Arc<Executor<'static>>) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(program(executor.clone())))
}

/// Tasks of this executor.
pub fn spawn(executor: &Arc<Executor<'static>>) -> Spawn {
    let executor = executor.clone();
    Arc::new(move |task| Box::pin(executor.spawn(task)))
}
