//! A connection that always has something to do must not keep others from their turn.

use std::future::poll_fn;
use std::mem::replace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use oap_core::driver::{Clock, Runtime};
use oap_tokio::TokioRuntime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::spawn;

async fn yield_to(clock: &mut impl Clock) {
    let mut yielded = false;
    poll_fn(|cx| {
        if replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        clock.yield_now(cx);
        Poll::Pending
    })
    .await;
}

#[tokio::test]
async fn sockets_are_looked_at_before_who_yields_goes_on() {
    let (mut near, mut far) = UnixStream::pair().expect("two sockets");
    let heard = Arc::new(AtomicBool::new(false));
    let (hears, mut clock) = (heard.clone(), TokioRuntime::current().clock());
    // The task that has woken itself; the main one is not scheduled like others.
    let yields = spawn(async move {
        spawn(async move {
            far.read_u8().await.expect("a byte");
            hears.store(true, Ordering::Relaxed);
        });
        yield_to(&mut clock).await;
        near.write_all(b"x").await.expect("a byte");
        let mut yields = 0;
        while !heard.load(Ordering::Relaxed) {
            yield_to(&mut clock).await;
            yields += 1;
        }
        yields
    });
    let yields = yields.await.expect("it ends");
    assert!(yields <= 2, "{yields} turns before a socket had one");
}
