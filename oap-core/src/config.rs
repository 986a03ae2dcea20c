//! What a host decides about its connections.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Limits;
use crate::wire::{Codings, Features, Hello};

/// When received bytes count as consumed, and so when a windowed sender gets credit (OAP-6-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consume {
    /// As soon as [`Connection::poll_event`](crate::Connection::poll_event) hands them out.
    #[default]
    OnDelivery,
    /// When the host calls [`Connection::consumed`](crate::Connection::consumed).
    Manually,
}

/// The timers (OAP-10). All durations are measured by the time that the host hands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Until the first byte of the first frame, at a server. Default 5 s.
    pub first_frame: Duration,
    /// Until a frame that has begun is whole, plus a fifth of that per 64 KiB of it. Default 5 s.
    pub frame: Duration,
    /// Without progress of a write. Default 5 s.
    pub write: Duration,
    /// Without a whole frame; a PING is sent at half of it. Default 60 s.
    pub idle: Duration,
    /// Until the HELLO is answered; a client closes after it (OAP-10-6). Default 5 s.
    pub hello: Duration,
    /// Until a one-shot request is answered. Default 10 s.
    pub request: Duration,
    /// Until the verdict on a START. Default 5 s.
    pub verdict: Duration,
    /// How long a drained server waits for a client that knows GOAWAY to close first, so that
    /// requests under way are refused instead of lost. Default 0: not at all.
    pub linger: Duration,
    /// How long reading may be stopped because the buffer budget is used up (OAP-6-16) and nothing
    /// of it is consumed. A peer that ends meanwhile cannot be noticed, so without it the connection
    /// lives as long as the handler that does not read. Default 0: for ever.
    pub standstill: Duration,
}

impl Timers {
    /// The defaults times `factor`; overlay networks with slow circuits take 2 (OAP-10).
    #[must_use]
    pub fn scaled(self, factor: u32) -> Self {
        let scale = |duration: Duration| duration.saturating_mul(factor);
        Self {
            first_frame: scale(self.first_frame),
            frame: scale(self.frame),
            write: scale(self.write),
            idle: scale(self.idle),
            hello: scale(self.hello),
            request: scale(self.request),
            verdict: scale(self.verdict),
            linger: scale(self.linger),
            standstill: scale(self.standstill),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            first_frame: Duration::from_secs(5),
            frame: Duration::from_secs(5),
            write: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            hello: Duration::from_secs(5),
            request: Duration::from_secs(10),
            verdict: Duration::from_secs(5),
            linger: Duration::ZERO,
            standstill: Duration::ZERO,
        }
    }
}

/// Everything a [`Connection`](crate::Connection) needs to know; shared by all of a host's.
///
/// ```
/// use oap_core::{Config, Limits};
///
/// let config = Config {
///     limits: Limits::builder().max_inflight(16).build()?,
///     authorize: true,
///     ..Config::default()
/// };
/// assert_eq!(config.limits.max_inflight(), 16);
/// # Ok::<(), oap_core::LimitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The sizes.
    pub limits: Limits,
    /// The times.
    pub timers: Timers,
    /// Whether a client opens with a HELLO. Default true.
    pub hello: bool,
    /// Name and version told to the peer. Default `oap-core/<version>`.
    pub agent: Box<str>,
    /// The transports that a server's HELLO reply names. Default `["tls"]`.
    pub transports: Vec<Box<str>>,
    /// What HELLO says about post-quantum key exchange. Default nothing.
    pub pq: Option<Box<str>>,
    /// Codings that may come in. Default zlib where the feature `comp` is on.
    pub codings: Codings,
    /// Control frames that may come in. Default all three.
    pub features: Features,
    /// Whether a client asks for windowed answers and sends windowed requests. Default true.
    pub windows: bool,
    /// Whether every START waits for a verdict; what has none is denied (OAP-3). Default false.
    pub authorize: bool,
    /// Whether a server's slot stays taken after its END until it is released: true for hosts whose
    /// handlers may work on after they have answered. Default false. An exchange that
    /// [`Event::Ended`](crate::Event::Ended) tells of keeps its slot until it is released either way.
    pub explicit_release: bool,
    /// When received bytes count as consumed.
    pub consume: Consume,
    /// Whether further lanes may come: true on QUIC. Default false.
    pub multi_lane: bool,
    /// Secret of the table of exchanges. A host whose peers choose ids should draw it at random
    /// once; the core has no randomness. Default 0.
    pub hash_key: u64,
    /// What a refusal tells the peer to wait, in milliseconds, where no budget says better.
    /// Default 1,000.
    pub retry_after_ms: u32,
}

/// What this build can inflate.
const SUPPORTED: Codings = if cfg!(feature = "comp") {
    Codings::ZLIB
} else {
    Codings::NONE
};

impl Config {
    /// The HELLO that this side sends.
    pub(crate) fn own_hello(&self) -> Hello {
        Hello {
            max_frame: Some(self.limits.max_frame()),
            max_inflight: Some(self.limits.max_inflight()),
            ack_window: self.windows.then(|| self.limits.ack_window()),
            idle_timeout_ms: u64::try_from(self.timers.idle.as_millis()).ok(),
            features: self.features,
            codings: self.codings.intersection(SUPPORTED),
            agent: Some(self.agent.clone()),
            pq: self.pq.clone(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut features = Features::default();
        features.insert(Features::CANCEL);
        features.insert(Features::PING);
        features.insert(Features::GOAWAY);
        Self {
            limits: Limits::default(),
            timers: Timers::default(),
            hello: true,
            agent: concat!("oap-core/", env!("CARGO_PKG_VERSION")).into(),
            transports: alloc::vec!["tls".into()],
            pq: None,
            codings: SUPPORTED,
            features,
            windows: true,
            authorize: false,
            explicit_release: false,
            consume: Consume::OnDelivery,
            multi_lane: false,
            hash_key: 0,
            retry_after_ms: 1_000,
        }
    }
}
