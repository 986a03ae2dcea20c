//! tower services behind a server, and sessions as tower services.

use std::error::Error;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oap_tokio::tower::{Call, Handler, Refusal, SessionService};
use oap_tokio::{
    CallError, CloseReason, Code, Config, End, ErrorBody, Fin, Head, Limits, Reason, Request,
    Response, SendError, Server, ServerOptions, Service, Session, TcpListener, TcpOptions,
    TokioRuntime, connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

#[path = "../examples/tower.rs"]
mod example;

const APP: u16 = 0x0100;
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

// Its assertions are the example's own.
#[test]
fn the_example_runs_and_is_short() {
    example::main().unwrap();
    let lines = include_str!("../examples/tower.rs").lines().count();
    assert!(lines < 120, "{lines} lines");
}

#[tokio::test]
async fn a_request_reaches_the_service_with_its_head_and_the_answer_comes_back() {
    let describe = service_fn(async |request: Request| {
        let (start, body) = (request.start, request.body);
        let text = format!("{} {:?} {body:?}", start.tenant_id, start.capability);
        Ok::<_, Refusal>(Response::new(Code::PARTIAL, text))
    });
    let pair = Pair::new(Handler::new(describe)).await;
    let head = Head::new(APP).with_tenant(7).with_capability("key");
    let answer = within(pair.session.request(head, "body")).await.unwrap();
    assert_eq!(answer.code, Code::PARTIAL);
    assert_eq!(answer.body, r#"7 b"key" b"body""#);
}

#[tokio::test]
async fn errors_become_codes_and_reasons() {
    let refusal = Refusal::new(Code::CONFLICT, Reason::BadRequest, "it exists");
    let (code, reason, body) = answer_to(move || refusal.into()).await;
    assert_eq!((code, reason), (409, Reason::BadRequest));
    assert_eq!(&*body.message, "it exists");
    let (code, reason, _) = answer_to(move || Wrapped(refusal).into()).await;
    assert_eq!((code, reason), (409, Reason::BadRequest));

    let (code, reason, body) = answer_to(|| "the secret of the house".into()).await;
    assert_eq!((code, reason), (500, Reason::Internal));
    assert!(!body.message.contains("secret"), "{}", body.message);

    let full = SendError::OverCapacity { limit: 1 };
    for (error, expected) in [
        (CallError::Ended(End::TimedOut), (504, Reason::Timeout)),
        (full.into(), (503, Reason::OverCapacity)),
        (SendError::Draining.into(), (503, Reason::Draining)),
        (CallError::Closed(CloseReason::Transport), (502, Reason::Io)),
        (CallError::TooLarge { limit: 1 }, (502, Reason::Io)),
    ] {
        let name = error.to_string();
        let (code, reason, _) = answer_to(move || error.clone().into()).await;
        assert_eq!((code, reason), expected, "{name}");
    }
}

#[tokio::test]
async fn a_shed_request_is_told_when_to_come_again() {
    let layers = ServiceBuilder::new().load_shed().concurrency_limit(0);
    let pair = Pair::new(Handler::new(layers.service(Work::default()))).await;
    let (code, reason, body) = told(&pair.ask("please").await);
    assert_eq!((code, reason), (503, Reason::OverCapacity));
    assert_eq!((body.retry_after_ms, body.retryable), (Some(1_000), true));
}

#[tokio::test]
async fn a_late_answer_is_a_timeout_and_its_work_is_dropped() {
    let work = Work::default();
    let layers = ServiceBuilder::new().timeout(Duration::from_millis(20));
    let pair = Pair::new(Handler::new(layers.service(work.clone()))).await;
    let (code, reason, body) = told(&pair.ask("please").await);
    assert_eq!((code, reason), (504, Reason::Timeout));
    assert_eq!(body.retry_after_ms, None);
    eventually(|| work.running() == 0).await;
}

#[tokio::test]
async fn a_cancelled_exchange_drops_the_work() {
    let work = Work::default();
    // Boxed like this it is `Send` and not `Sync`.
    let pair = Pair::new(Handler::new(BoxCloneService::new(work.clone()))).await;
    let opened = pair.session.open(Head::new(APP), "please", Fin::End);
    let exchange = within(opened).await.unwrap();
    eventually(|| work.running() == 1).await;
    exchange.cancel(Code::TIMEOUT);
    eventually(|| work.running() == 0).await;
    let report = within(pair.server.drain(&pair.runtime, PATIENCE)).await;
    assert_eq!((report.drained, report.aborted), (1, 0));
}

#[tokio::test]
async fn a_limit_holds_over_all_connections() {
    let work = Work::default();
    let layers = ServiceBuilder::new().concurrency_limit(3);
    let pair = Pair::new(Handler::new(layers.service(work.clone()))).await;
    let sessions = [pair.session.clone(), pair.another_session().await];
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let session = sessions[n % 2].clone();
            tokio::spawn(async move { session.request(Head::new(APP), "please").await })
        })
        .collect();
    eventually(|| work.running() == 3).await;
    work.0.permits.add_permits(40);
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap().body, "please");
    }
    assert_eq!(work.0.most.load(SeqCst), 3);
}

#[tokio::test]
async fn who_waits_for_a_service_that_is_not_ready_keeps_his_slot() {
    let gate = Gate::default();
    let limits = Limits::builder().max_inflight(4).build().unwrap();
    let config = Config {
        limits,
        ..Config::default()
    };
    let pair = Pair::with(Handler::new(gate.clone()), config).await;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let session = pair.session.clone();
            tokio::spawn(async move { session.request(Head::new(APP), "please").await })
        })
        .collect();
    eventually(|| gate.waiting() == 4).await;
    let fifth = pair.session.try_open(Head::new(APP), "please", Fin::End);
    let full = CallError::Send(SendError::OverCapacity { limit: 4 });
    assert_eq!(fifth.err(), Some(full));
    gate.open();
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap().body, "please");
    }
}

#[tokio::test]
async fn a_client_that_sends_slowly_holds_no_permit() {
    let layers = ServiceBuilder::new().load_shed().concurrency_limit(1);
    let pair = Pair::new(Handler::new(layers.service(Work::of(2)))).await;
    let opened = pair.session.open(Head::new(APP), "slow", Fin::More);
    let mut slow = within(opened).await.unwrap();
    assert_eq!(pair.ask("quick").await.body, "quick");
    slow.finish("ly").unwrap();
    let answer = within(slow.response(100)).await.unwrap();
    assert_eq!(answer.body, "slowly");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_incomplete_is_refused() {
    let handler = Handler::new(Work::of(1)).with_body_limit(4);
    let pair = Pair::new(handler).await;
    assert_eq!(pair.ask("four").await.body, "four");
    let (code, reason, _) = told(&pair.ask("fives").await);
    assert_eq!((code, reason), (413, Reason::TooLarge));

    // REQ|START, app 0x0100, corr 1, payload "ab"; then the stream ends.
    let mut frame = vec![35, 0, 0, 0, 1, 0x09, 0, 0, 0, 0x00, 0x01];
    frame.extend([0; 18]);
    frame.extend([1, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
    let mut stream = tokio::net::TcpStream::connect(pair.address).await.unwrap();
    stream.write_all(&frame).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer[7..9], 400_u16.to_le_bytes());
    let body = ErrorBody::parse(&answer[37..]).expect("an error body");
    assert_eq!(body.reason.known(), Some(Reason::Io));
}

#[tokio::test]
async fn a_session_is_ready_as_long_as_it_takes_calls() {
    let work = Work::default();
    let pair = Pair::new(Handler::new(work.clone())).await;
    let mut service = SessionService::new(pair.session.clone());
    let under_way = tokio::spawn(service.clone().oneshot(call("please")));
    eventually(|| work.running() == 1).await;

    let drain = pair.server.drain(&pair.runtime, PATIENCE);
    let refused = async {
        within(pair.session.going_away()).await;
        let refused = service.ready().await.err();
        work.0.permits.add_permits(1);
        refused
    };
    let (_, refused) = tokio::join!(within(drain), refused);
    assert_eq!(refused, Some(CallError::Send(SendError::Draining)));
    assert_eq!(within(under_way).await.unwrap().unwrap().body, "please");
    within(pair.session.closed()).await;
    let refused = service.ready().await.err();
    assert!(matches!(refused, Some(CallError::Closed(_))), "{refused:?}");
}

#[tokio::test]
async fn layers_of_clients_retry_and_give_up() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let third_time = service_fn(move |request: Request| {
        let busy = Refusal::new(Code::UNAVAILABLE, Reason::NotReady, "not yet");
        ready(match counted.fetch_add(1, SeqCst) {
            0 | 1 => Err(busy),
            _ => Ok(Response::ok(request.body)),
        })
    });
    let pair = Pair::new(Handler::new(third_time)).await;
    let persistent = ServiceBuilder::new()
        .layer(RetryLayer::new(Again(5)))
        .service(SessionService::new(pair.session.clone()));
    let answer = within(persistent.oneshot(call("please"))).await.unwrap();
    assert_eq!((&answer.body[..], tries.load(SeqCst)), (&b"please"[..], 3));

    let work = Work::default();
    let pair = Pair::new(Handler::new(work.clone())).await;
    let service = SessionService::new(pair.session.clone());
    let hasty = ServiceBuilder::new().timeout(Duration::from_millis(20));
    let given_up = hasty.service(service.clone()).oneshot(call("please"));
    let error = within(given_up).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "{error}");
    eventually(|| work.running() == 0).await;

    let dropped = tokio::spawn(service.oneshot(call("please")));
    eventually(|| work.running() == 1).await;
    dropped.abort();
    eventually(|| work.running() == 0).await;
}

#[tokio::test]
async fn a_session_serves_behind_another_server() {
    let behind = Pair::new(Handler::new(Work::of(1))).await;
    let relay = ServiceBuilder::new()
        .map_request(|request: Request| Call::new(Head::new(APP), request.body))
        .service(SessionService::new(behind.session.clone()));
    let front = Pair::new(Handler::new(relay)).await;
    assert_eq!(front.ask("please").await.body, "please");
    behind.session.close();
    within(behind.session.closed()).await;
    let (code, reason, _) = told(&front.ask("please").await);
    assert_eq!((code, reason), (502, Reason::Io));
}

/// A server of one application, and a session with it.
struct Pair {
    server: Server,
    session: Session,
    runtime: TokioRuntime,
    address: SocketAddr,
}

impl Pair {
    async fn new(handler: impl oap_tokio::Handler) -> Self {
        Self::with(handler, Config::default()).await
    }

    async fn with(handler: impl oap_tokio::Handler, config: Config) -> Self {
        let (runtime, tcp) = (TokioRuntime::current(), TcpOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0", &tcp).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::new().handle(APP, handler);
        let options = ServerOptions::default();
        let server = Server::start(&runtime, listener, service, config, options);
        Self {
            server,
            session: dial(&runtime, address).await,
            runtime,
            address,
        }
    }

    async fn another_session(&self) -> Session {
        dial(&self.runtime, self.address).await
    }

    async fn ask(&self, body: &'static str) -> Response {
        let answer = self.session.request(Head::new(APP), body);
        within(answer).await.unwrap()
    }
}

async fn dial(runtime: &TokioRuntime, address: SocketAddr) -> Session {
    let transport = connect(address, &TcpOptions::default()).await.unwrap();
    let session = Session::connect(runtime, transport, Config::default());
    within(session).await.unwrap()
}

fn call(body: &'static str) -> Call {
    Call::new(Head::new(APP), body)
}

/// What the client gets of a service that fails with this.
async fn answer_to(
    error: impl Fn() -> BoxError + Clone + Send + 'static,
) -> (u16, Reason, ErrorBody) {
    let failing = service_fn(move |_: Request| ready(Err::<Response, _>(error())));
    let pair = Pair::new(Handler::new(failing)).await;
    told(&pair.ask("please").await)
}

fn told(response: &Response) -> (u16, Reason, ErrorBody) {
    let reason = response.reason().expect("a reason");
    let body = response.error().expect("an error body");
    (response.code.get(), reason, body)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(PATIENCE, future);
    limited.await.expect("not within 10 s")
}

/// Waits until something holds.
async fn eventually(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Answers with what it was asked, one request per permit, and counts what it has under way.
#[derive(Clone)]
struct Work(Arc<Counts>);

struct Counts {
    permits: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Work {
    fn of(permits: usize) -> Self {
        Self(Arc::new(Counts {
            permits: Semaphore::new(permits),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }))
    }

    fn running(&self) -> usize {
        self.0.running.load(SeqCst)
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::of(0)
    }
}

impl tower::Service<Request> for Work {
    type Response = Response;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let work = Running::new(self.0.clone());
        Box::pin(async move {
            work.0.permits.acquire().await?.forget();
            Ok(Response::ok(request.body))
        })
    }
}

/// Counts itself, until it is dropped.
struct Running(Arc<Counts>);

impl Running {
    fn new(counts: Arc<Counts>) -> Self {
        let running = counts.running.fetch_add(1, SeqCst) + 1;
        counts.most.fetch_max(running, SeqCst);
        Self(counts)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

/// Ready once it is opened, and strict about being asked before it is called.
#[derive(Clone, Default)]
struct Gate {
    shared: Arc<Mutex<Waiting>>,
    asked: bool,
    ready: bool,
}

#[derive(Default)]
struct Waiting {
    open: bool,
    /// Clones that were told to wait.
    clones: usize,
    wakers: Vec<Waker>,
}

impl Gate {
    fn waiting(&self) -> usize {
        self.shared.lock().unwrap().clones
    }

    fn open(&self) {
        let mut waiting = self.shared.lock().unwrap();
        waiting.open = true;
        waiting.wakers.drain(..).for_each(Waker::wake);
    }
}

impl tower::Service<Request> for Gate {
    type Response = Response;
    type Error = BoxError;
    type Future = Ready<Result<Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut waiting = self.shared.lock().unwrap();
        if waiting.open {
            self.ready = true;
            return Poll::Ready(Ok(()));
        }
        waiting.clones += usize::from(!self.asked);
        self.asked = true;
        waiting.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        ready(Ok(Response::ok(request.body)))
    }
}

/// Retries what is refused with 503, so many times.
#[derive(Clone)]
struct Again(usize);

impl Policy<Call, Response, CallError> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Call,
        result: &mut Result<Response, CallError>,
    ) -> Option<Ready<()>> {
        let refused = matches!(result, Ok(answer) if answer.code == Code::UNAVAILABLE);
        self.0 = self.0.checked_sub(1)?;
        refused.then(|| ready(()))
    }

    fn clone_request(&mut self, call: &Call) -> Option<Call> {
        Some(call.clone())
    }
}

/// An error of which another is the source.
#[derive(Debug)]
struct Wrapped(Refusal);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
