//! tower services over OAP: a [`Handler`] serves one, a [`SessionService`] is one.
//!
//! ```
//! use std::time::Duration;
//! use oap_tokio::tower::{Handler, Refusal};
//! use oap_tokio::{Request, Response, Service};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let upper = service_fn(async |request: Request| {
//!     let text = request.body.to_ascii_uppercase();
//!     Ok::<_, Refusal>(Response::ok(text))
//! });
//! let limited = ServiceBuilder::new()
//!     .load_shed()
//!     .concurrency_limit(64)
//!     .timeout(Duration::from_secs(1))
//!     .service(upper);
//! let service = Service::new().handle(0x0100, Handler::new(limited));
//! # assert_eq!(service.apps().collect::<Vec<_>>(), [0x0100]);
//! ```

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use oap_core::driver::{self, CallError, Incoming, Request, Response, Session};
use oap_core::{Body, Code, Head, Reason, SendError};
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceExt};

/// Largest request body that a [`Handler`] collects where nothing else is set, in bytes.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Serves whole requests of one application by a tower service.
///
/// Each request goes to a clone of the service, once that is ready; layers that limit share their
/// limit between clones. A request that waits for readiness keeps its slot, so a service that is
/// never ready stops its clients at `max_inflight`. The body is collected before readiness is asked
/// for, so that a client which sends slowly holds no permit. The service's future is dropped when
/// the client cancels.
///
/// An error of the service is answered as its [`Refusal`] says.
pub struct Handler<S> {
    /// A lock, because many services are `Send` and not `Sync`, boxed ones say.
    service: Mutex<S>,
    body_limit: usize,
}

impl<S> Handler<S> {
    /// Serves by clones of `service`.
    pub const fn new(service: S) -> Self {
        Self {
            service: Mutex::new(service),
            body_limit: BODY_LIMIT,
        }
    }

    /// As it is, with request bodies of at most this many bytes; others are answered 413
    /// `too_large`. Default 8 MiB.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }
}

impl<S> driver::Handler for Handler<S>
where
    S: tower::Service<Request, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn handle(&self, incoming: Incoming) -> impl Future<Output = ()> + Send + 'static {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        serve(service.clone(), self.body_limit, incoming)
    }
}

async fn serve<S>(service: S, body_limit: usize, mut incoming: Incoming)
where
    S: tower::Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    let answer = match incoming.body(body_limit).await {
        Ok(body) => {
            let request = Request::new(incoming.start().clone(), body);
            let answer = service.oneshot(request).await;
            answer.map_err(|error| Refusal::of(&*error.into()))
        }
        Err(CallError::TooLarge { .. }) => Err(Refusal::TOO_LARGE),
        Err(CallError::Truncated) => Err(Refusal::TRUNCATED),
        // The exchange is over.
        Err(_) => return,
    };
    // The client may be gone by now; then nobody waits for the answer.
    let _ = match answer {
        Ok(response) => incoming.respond(response.code, response.body),
        Err(refusal) => incoming.fail(refusal.code, refusal.reason, refusal.message),
    };
}

/// An answer of 400 and up with its error body. As a service's error, or as the source of one, it is
/// answered as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status. One below 400 is sent as 500.
    pub code: Code,
    /// The reason of the closed list.
    pub reason: Reason,
    /// What the peer is told in words.
    pub message: &'static str,
}

impl Refusal {
    const TOO_LARGE: Self = Self::new(Code::TOO_LARGE, Reason::TooLarge, "the body is too large");
    const TRUNCATED: Self = Self::new(Code::BAD_REQUEST, Reason::Io, "the body is incomplete");

    /// With 429 and 503 the answer also says when to try again: after
    /// [`Config::retry_after_ms`](oap_core::Config::retry_after_ms).
    pub const fn new(code: Code, reason: Reason, message: &'static str) -> Self {
        Self {
            code,
            reason,
            message,
        }
    }

    /// What an error of a service is answered with, by the first of its sources that is known:
    ///
    /// | error | answer |
    /// |---|---|
    /// | a [`Refusal`] | itself |
    /// | [`Overloaded`], of the layer `load_shed` | 503 `over_capacity` |
    /// | [`Elapsed`], of the layer `timeout` | 504 `timeout` |
    /// | a [`CallError`], of a service behind this one | 503 `over_capacity` or `draining`, 504 `timeout`, else 502 `io` |
    /// | any other | 500 `internal` |
    ///
    /// What an error says of itself does not leave the server.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        std::iter::successors(Some(error), |&error| error.source())
            .find_map(Self::known)
            .unwrap_or(Self::new(
                Code::INTERNAL,
                Reason::Internal,
                "the service failed",
            ))
    }

    fn known(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(refusal) = error.downcast_ref::<Self>() {
            Some(*refusal)
        } else if error.is::<Overloaded>() {
            let reason = Reason::OverCapacity;
            Some(Self::new(Code::UNAVAILABLE, reason, "too much to do"))
        } else if error.is::<Elapsed>() {
            let reason = Reason::Timeout;
            Some(Self::new(Code::GATEWAY_TIMEOUT, reason, "it took too long"))
        } else {
            error.downcast_ref().map(Self::of_call)
        }
    }

    fn of_call(error: &CallError) -> Self {
        let (code, reason) = match error.reason() {
            Reason::Timeout => (Code::GATEWAY_TIMEOUT, Reason::Timeout),
            reason @ (Reason::OverCapacity | Reason::Draining) => (Code::UNAVAILABLE, reason),
            _ => (Code::BAD_GATEWAY, Reason::Io),
        };
        Self::new(code, reason, "the server behind this one did not answer")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl Error for Refusal {}

/// What a client asks for by a [`SessionService`]: a whole request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The application, and what else the START says.
    pub head: Head,
    /// The body.
    pub body: Body,
}

impl Call {
    /// A request of this head and body.
    pub fn new(head: Head, body: impl Into<Body>) -> Self {
        Self {
            head,
            body: body.into(),
        }
    }
}

/// A session as a tower service, for the layers of clients: timeouts, retries, balancing.
///
/// It is ready as long as its connection takes new exchanges, and fails for good after that. Calls
/// above what both sides allow at once wait their turn inside their futures; a `concurrency_limit`
/// in front of it makes them wait for readiness instead. Dropping a future cancels its exchange.
///
/// An answer of 400 and up is an answer, not an error: see [`Response::reason`].
#[derive(Clone)]
pub struct SessionService {
    session: Session,
}

impl SessionService {
    /// Calls over `session`.
    pub const fn new(session: Session) -> Self {
        Self { session }
    }
}

impl tower::Service<Call> for SessionService {
    type Response = Response;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(match self.session.closed().now_or_never() {
            Some(reason) => Err(CallError::Closed(reason)),
            None if self.session.is_going_away() => Err(SendError::Draining.into()),
            None => Ok(()),
        })
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let session = self.session.clone();
        Box::pin(async move { session.request(call.head, call.body).await })
    }
}
