//! Handlers by application, and who may call them.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::shared::{Key, Shared};
use super::{CallError, Incoming, Request, Response};
use crate::{Code, ExchangeId, Reason, Start, Verdict};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxHandler = Box<dyn Fn(Incoming) -> BoxFuture<()> + Send + Sync>;
type BoxAuthorizer = Box<dyn Fn(Start) -> BoxFuture<Verdict> + Send + Sync>;

/// Largest body that [`Service::unary`] collects, in bytes.
const UNARY_LIMIT: usize = 8 * 1024 * 1024;

/// Serves the exchanges of one application. Implemented by `Fn(Incoming) -> impl Future`.
pub trait Handler: Send + Sync + 'static {
    /// Serves one exchange to its end.
    fn handle(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static;
}

impl<F, T> Handler for F
where
    F: Fn(Incoming) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    fn handle(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static {
        self(incoming)
    }
}

/// Decides on each START before its handler sees anything of it. Implemented by
/// `Fn(Start) -> impl Future<Output = Verdict>`.
pub trait Authorizer: Send + Sync + 'static {
    /// The verdict; the capability is in `start`.
    fn authorize(&self, start: Start) -> impl Future<Output = Verdict> + Send + 'static;
}

impl<F, T> Authorizer for F
where
    F: Fn(Start) -> T + Send + Sync + 'static,
    T: Future<Output = Verdict> + Send + 'static,
{
    fn authorize(&self, start: Start) -> impl Future<Output = Verdict> + Send + 'static {
        self(start)
    }
}

/// What a server serves: a handler per `app_proto_id`, 404 `not_found` for all others.
#[derive(Default)]
pub struct Service {
    handlers: BTreeMap<u16, BoxHandler>,
    authorizer: Option<BoxAuthorizer>,
}

impl Service {
    /// Serves nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves an application. A second handler for the same one replaces the first; 0 belongs to
    /// the protocol and is never asked for.
    #[must_use]
    pub fn handle(mut self, app_proto_id: u16, handler: impl Handler) -> Self {
        let boxed: BoxHandler = Box::new(move |incoming| {
            let (shared, id) = incoming.origin();
            match caught(|| handler.handle(incoming)) {
                Some(future) => Box::pin(until_ended(shared, id, future)),
                None => Box::pin(ready(())),
            }
        });
        self.handlers.insert(app_proto_id, boxed);
        self
    }

    /// Serves an application whose requests and answers are single bodies of at most 8 MiB.
    #[must_use]
    pub fn unary<F, T>(self, app_proto_id: u16, handler: F) -> Self
    where
        F: Fn(Request) -> T + Send + Sync + 'static,
        T: Future<Output = Response> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handle(app_proto_id, move |incoming| {
            let handler = handler.clone();
            async move { serve_unary(incoming, &*handler).await }
        })
    }

    /// Lets `authorizer` decide on every START; what it does not allow is denied.
    #[must_use]
    pub fn authorize(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Some(Box::new(move |start| {
            match caught(|| authorizer.authorize(start)) {
                Some(future) => Box::pin(future),
                None => Box::pin(ready(Verdict::Deny)),
            }
        }));
        self
    }

    /// The applications that have a handler.
    pub fn apps(&self) -> impl Iterator<Item = u16> + '_ {
        self.handlers.keys().copied()
    }

    /// Whether there is an authorizer.
    pub fn has_authorizer(&self) -> bool {
        self.authorizer.is_some()
    }

    pub(super) fn verdict(&self, start: Start) -> Option<BoxFuture<Verdict>> {
        self.authorizer.as_ref().map(|authorizer| authorizer(start))
    }

    pub(super) fn serve(&self, incoming: Incoming) -> Option<BoxFuture<()>> {
        match self.handlers.get(&incoming.start().app_proto_id) {
            Some(handler) => Some(handler(incoming)),
            None => {
                // An exchange that has ended meanwhile needs no answer.
                let _ = incoming.fail(Code::NOT_FOUND, Reason::NotFound, "nobody serves this app");
                None
            }
        }
    }
}

/// What `make` returns, or nothing where it panics: that costs one exchange, not the connection.
fn caught<T>(make: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(make)).ok()
}

/// Runs a handler until it ends, or its exchange has ended without it; then its future is dropped.
///
/// A panic costs the handler its exchange, which is answered 500 as it is dropped.
async fn until_ended(shared: Arc<Shared>, id: ExchangeId, handler: impl Future<Output = ()>) {
    let mut handler = pin!(handler);
    poll_fn(|cx| {
        let polled = caught(|| handler.as_mut().poll(cx));
        if polled != Some(Poll::Pending) || shared.lock().watch_end(id, cx.waker()) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// Lets an authorizer decide on an exchange until that has ended, in vain perhaps: then the verdict
/// is dropped, and the slot is free. One that panics denies.
pub(super) async fn decide(shared: Arc<Shared>, key: Key, verdict: BoxFuture<Verdict>) {
    let mut decided = Verdict::Deny;
    until_ended(shared.clone(), key.id, async { decided = verdict.await }).await;
    let now = shared.now();
    shared.command(|inner| inner.authorize(key, now, decided));
}

async fn serve_unary<F, T>(mut incoming: Incoming, handler: &F)
where
    F: Fn(Request) -> T,
    T: Future<Output = Response>,
{
    let answered = match incoming.body(UNARY_LIMIT).await {
        Ok(body) => {
            let response = handler(Request {
                start: incoming.start().clone(),
                body,
            })
            .await;
            incoming.respond(response.code, response.body)
        }
        Err(error @ (CallError::TooLarge { .. } | CallError::Truncated)) => incoming.fail(
            Code::BAD_REQUEST.max(error.code()),
            error.reason(),
            "the body is unfit",
        ),
        Err(_) => Ok(()),
    };
    // The client may be gone by now; then nobody waits for the answer.
    drop(answered);
}
