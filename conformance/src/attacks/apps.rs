//! What hostile clients call, and how many handlers they have got.

use std::collections::HashMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::{CallError, Incoming, Service};
use oap_core::{Code, Reason};

use crate::suite::pause;

/// Reads nothing and never answers.
pub(super) const HOLD: u16 = 0x0f81;
/// Reads nothing for 300 ms and refuses then.
pub(super) const SLOW: u16 = 0x0f84;
/// Reads and inflates everything, and answers then.
pub(super) const TAKE: u16 = 0x0f82;
/// Sends without end.
pub(super) const GIVE: u16 = 0x0f83;

const SLOWNESS: Duration = Duration::from_millis(300);
const CHUNK: usize = 64 * 1024;

/// How many handlers of these applications run. Clones share it.
#[derive(Clone, Default)]
pub struct Gauge(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    by_connection: HashMap<Option<SocketAddr>, usize>,
    now: usize,
    most_of_one: usize,
    most_of_all: usize,
}

impl Gauge {
    /// Adds the applications.
    pub fn serve(self, service: Service) -> Service {
        let (hold, slow, take, give) = (self.clone(), self.clone(), self.clone(), self);
        service
            .handle(HOLD, move |incoming: Incoming| {
                let seat = hold.enter(&incoming);
                async move {
                    let _held = (seat, incoming);
                    pending::<()>().await;
                }
            })
            .handle(SLOW, move |incoming: Incoming| {
                let seat = slow.enter(&incoming);
                ended(seat, async move {
                    pause(SLOWNESS).await;
                    incoming.fail(Code::UNAVAILABLE, Reason::NotReady, "in vain")
                })
            })
            .handle(TAKE, move |incoming: Incoming| {
                let seat = take.enter(&incoming);
                ended(seat, take_all(incoming))
            })
            .handle(GIVE, move |incoming: Incoming| {
                let seat = give.enter(&incoming);
                ended(seat, give_on(incoming))
            })
    }

    /// The most handlers that one connection had, and that all had together.
    pub fn most(&self) -> (usize, usize) {
        let counts = self.lock();
        (counts.most_of_one, counts.most_of_all)
    }

    /// Handlers that run now.
    pub fn now(&self) -> usize {
        self.lock().now
    }

    fn enter(&self, incoming: &Incoming) -> Seat {
        let peer = incoming.connection().peer;
        let mut counts = self.lock();
        counts.now += 1;
        let of_one = counts.by_connection.entry(peer).or_default();
        *of_one += 1;
        let of_one = *of_one;
        counts.most_of_one = counts.most_of_one.max(of_one);
        counts.most_of_all = counts.most_of_all.max(counts.now);
        drop(counts);
        Seat {
            gauge: self.clone(),
            peer,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler that runs until this is dropped.
struct Seat {
    gauge: Gauge,
    peer: Option<SocketAddr>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.gauge.lock();
        counts.now -= 1;
        if let Some(of_one) = counts.by_connection.get_mut(&self.peer) {
            *of_one -= 1;
            if *of_one == 0 {
                counts.by_connection.remove(&self.peer);
            }
        }
    }
}

/// An exchange that ended early has nobody left to tell.
async fn ended(_seat: Seat, work: impl Future<Output = Result<(), CallError>>) {
    let _ = work.await;
}

async fn take_all(mut incoming: Incoming) -> Result<(), CallError> {
    while let Some((payload, _)) = incoming.next().await? {
        incoming.inflate(&payload)?;
    }
    incoming.respond(Code::OK, Bytes::new())
}

async fn give_on(mut incoming: Incoming) -> Result<(), CallError> {
    let chunk = Bytes::from(vec![7; CHUNK]);
    loop {
        incoming.send(Code::OK, chunk.clone()).await?;
    }
}
