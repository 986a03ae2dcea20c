//! What the seed decides before a line comes up: its endpoints, its weather and its calls.

use std::time::Duration;

use oap_core::testing::Rng;
use oap_core::wire::{Features, MAX_FRAME};
use oap_core::{Config, Consume, Limits, Timers};

use super::link::Weather;

/// Milliseconds at most between two steps of an application: mostly none.
const GAPS: [u64; 6] = [0, 0, 0, 10, 300, 2_000];

/// What a line's two endpoints are like, for all of its connections.
#[derive(Clone, Debug)]
pub(super) struct LinePlan {
    pub(super) client: Config,
    pub(super) server: Config,
    /// Links may stall, fall silent and be cut, and applications may never read.
    pub(super) rough: bool,
    /// How late the client's application looks, at most.
    pub(super) client_nap: Duration,
    pub(super) server_nap: Duration,
    /// How long either application keeps a payload.
    pub(super) keeps: Duration,
    /// Calls come in bursts, with long pauses between them.
    pub(super) bursts: u32,
    pub(super) pause: Duration,
    pub(super) farewell: Farewell,
    /// Bytes of a body at most.
    pub(super) most: usize,
}

/// How a connection is left when its burst is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It stays up for the next burst, if timers let it.
    Stay,
    ClientCloses,
    ClientDrains,
    ServerDrains,
    ServerCloses,
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As many bytes come back as went out, chunk by chunk.
    Echo,
    /// A short answer when the request is complete.
    Upload,
    /// A long answer to whatever request.
    Download,
    /// Events, then an END.
    Subscribe,
    /// An answer that is complete before the request is.
    Early,
    /// The handler fails with 404.
    Fail,
    /// The handler never answers.
    Never,
    /// The verifier denies it; without a verifier the handler fails.
    Denied,
    /// The verdict comes too late; without a verifier the handler fails.
    Forgotten,
}

/// Everything about one call.
#[derive(Clone, Debug)]
pub(super) struct CallPlan {
    pub(super) kind: Kind,
    pub(super) app: u16,
    /// When, after the beginning of its burst.
    pub(super) after: Duration,
    /// Bytes of each chunk of the request.
    pub(super) request: Vec<usize>,
    /// Between two of them.
    pub(super) request_gap: Duration,
    /// Bytes of each chunk or event of the answer.
    pub(super) answer: Vec<usize>,
    pub(super) answer_gap: Duration,
    /// What the client gives the server.
    pub(super) timeout: Duration,
    /// The timeout may well pass.
    pub(super) impatient: bool,
    pub(super) cancel_after: Option<Duration>,
    pub(super) server_cancels: bool,
    /// Before the handler does anything.
    pub(super) think: Duration,
    /// How long the handler works on after the end.
    pub(super) works_on: Duration,
    pub(super) verdict_after: Duration,
    pub(super) own_lane: bool,
    pub(super) capability: usize,
    pub(super) compress: bool,
    pub(super) opaque: bool,
    /// The receiver keeps every payload until the call is over.
    pub(super) never_read: bool,
}

impl LinePlan {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let rough = rng.one_in(3);
        let hello = !rng.one_in(5);
        let lanes = rng.one_in(3);
        let mut client = config(rng, hello, lanes, rough);
        let mut server = config(rng, hello, lanes, rough);
        if !rng.one_in(3) {
            // Different idle times are common, but most peers agree on them.
            server.timers.idle = client.timers.idle;
        }
        client.authorize = false;
        server.hello = hello;
        let nap = |rng: &mut Rng| rng.pick(&[0, 0, 1_000, 40_000]);
        let small = client.limits.ack_window().min(server.limits.ack_window()) < 10_000;
        Self {
            rough,
            client_nap: Duration::from_micros(nap(rng)),
            server_nap: Duration::from_micros(nap(rng)),
            keeps: Duration::from_micros(rng.pick(&[0, 5_000, 300_000, 1_500_000])),
            bursts: rng.range(1, 4) as u32,
            pause: Duration::from_secs(rng.pick(&[5, 120, 3_600, 86_400])),
            farewell: rng.pick(&[
                Farewell::Stay,
                Farewell::Stay,
                Farewell::ClientCloses,
                Farewell::ClientDrains,
                Farewell::ServerDrains,
                Farewell::ServerCloses,
            ]),
            most: if small { 20_000 } else { 60_000 },
            client,
            server,
        }
    }

    /// Whether both sides may PING, so that an idle connection stays up.
    pub(super) fn stays_up(&self) -> bool {
        let pings = |config: &Config| config.features.contains(Features::PING);
        self.client.hello && pings(&self.client) && pings(&self.server)
    }
}

fn config(rng: &mut Rng, hello: bool, lanes: bool, rough: bool) -> Config {
    let limits = loop {
        // Without HELLO the other side cannot know of a lower limit.
        let max_frame = match hello {
            true => rng.pick(&[MAX_FRAME, 262_144, 65_536, 8_192, 4_096]),
            false => MAX_FRAME,
        };
        let limits = Limits::builder()
            .max_frame(max_frame)
            .max_inflight(rng.pick(&[64, 64, 16, 4, 1]))
            .ack_window(rng.pick(&[131_072, 65_536, 16_384, 4_096, 5_003]))
            .chunk(rng.pick(&[65_536, 4_096, 10_007, 1_048_543]))
            .send_buffer(rng.pick(&[262_144, 20_000, 1]))
            .build();
        if let Ok(limits) = limits {
            break limits;
        }
    };
    let mut features = Features::NONE;
    for feature in [Features::CANCEL, Features::PING, Features::GOAWAY] {
        if !rng.one_in(5) {
            features.insert(feature);
        }
    }
    let idle = Duration::from_secs(rng.pick(&[60, 60, 20, 300, 3_600]));
    let linger = Duration::from_millis(rng.pick(&[0, 0, 200, 3_000]));
    let timers = Timers {
        idle,
        linger,
        ..Timers::default().scaled(rng.pick(&[1, 1, 2]))
    };
    let manual = rng.one_in(2);
    Config {
        limits,
        timers,
        features,
        hello,
        windows: !rng.one_in(4),
        authorize: rng.one_in(4),
        explicit_release: rng.one_in(3),
        consume: match manual || rough && rng.one_in(2) {
            true => Consume::Manually,
            false => Consume::OnDelivery,
        },
        multi_lane: lanes,
        hash_key: rng.next_u64(),
        ..Config::default()
    }
}

impl CallPlan {
    pub(super) fn new(rng: &mut Rng, line: &LinePlan) -> Self {
        let kind = match rng.range(0, 19) {
            0..=5 => Kind::Echo,
            6..=8 => Kind::Upload,
            9..=11 => Kind::Download,
            12..=14 => Kind::Subscribe,
            15 => Kind::Early,
            16 => Kind::Fail,
            17 => Kind::Never,
            18 => Kind::Denied,
            _ => Kind::Forgotten,
        };
        let chunks = |rng: &mut Rng, count: u64| {
            let most = rng.pick(&[64, 64, 3_000, line.most]).min(line.most);
            (0..count).map(|_| rng.size(most)).collect::<Vec<_>>()
        };
        let request = match rng.one_in(2) {
            // What is parked for long must not fill the buffer.
            _ if kind == Kind::Forgotten => vec![rng.size(64)],
            true => chunks(rng, 1),
            false => {
                let count = rng.range(1, 8);
                chunks(rng, count)
            }
        };
        let count = rng.range(1, 12);
        let answer = chunks(rng, count);
        let streams = request.len() > 1 || matches!(kind, Kind::Download | Kind::Subscribe);
        let impatient = rng.one_in(12);
        let long = matches!(kind, Kind::Subscribe) && rng.one_in(8);
        Self {
            kind,
            app: rng.range(1, 3) as u16,
            after: up_to(rng, &[2_000]),
            request_gap: up_to(rng, &GAPS),
            request,
            answer_gap: if long {
                Duration::from_secs(rng.range(10, 1_800))
            } else {
                up_to(rng, &GAPS)
            },
            answer,
            timeout: match impatient {
                true => Duration::from_millis(rng.range(50, 4_000)),
                false if long => Duration::from_secs(40_000),
                false => Duration::from_secs(900),
            },
            impatient,
            cancel_after: (kind == Kind::Never && !rng.one_in(4) || rng.one_in(8))
                .then(|| up_to(rng, &[3_000])),
            server_cancels: rng.one_in(15),
            think: match kind {
                Kind::Never => Duration::from_secs(rng.range(1, 60)),
                _ => up_to(rng, &GAPS),
            },
            works_on: up_to(rng, &[0, 0, 50, 4_000]),
            verdict_after: match kind {
                Kind::Forgotten => Duration::from_secs(30),
                _ => up_to(rng, &[0, 20, 2_000]),
            },
            own_lane: streams,
            capability: if rng.one_in(4) { rng.size(300) } else { 0 },
            compress: rng.one_in(8),
            opaque: rng.one_in(12),
            never_read: line.rough && rng.one_in(20),
        }
    }
}

/// A time of at most one of these, in milliseconds.
fn up_to(rng: &mut Rng, most: &[u64]) -> Duration {
    let most = rng.pick(most);
    Duration::from_micros(rng.range(0, most * 1_000))
}

/// The weather of one connection.
pub(super) fn weather(rng: &mut Rng, rough: bool) -> Weather {
    let micros = |rng: &mut Rng, most: &[u64]| Duration::from_micros(rng.pick(most));
    let fair = Weather {
        delay: micros(rng, &[0, 50, 2_000, 40_000, 150_000]),
        jitter: micros(rng, &[0, 100, 10_000, 60_000]),
        rate: rng.pick(&[0, 0, 100_000_000, 2_000_000]),
        piece: rng.pick(&[600, 1_460, 9_000, 65_536, usize::MAX]),
        room: rng.pick(&[65_536, 262_144, 1_048_576]),
        stall_one_in: rng.pick(&[0, 0, 100, 1_000]),
        stall: Duration::from_millis(400),
    };
    if !rough {
        return fair;
    }
    Weather {
        rate: rng.pick(&[0, 0, 1_000_000, 50_000, 3_000]),
        piece: rng.pick(&[1, 7, 37, 100, 1_460, 65_536]),
        room: rng.pick(&[300, 4_096, 65_536]),
        stall_one_in: rng.pick(&[0, 10, 100, 1_000]),
        stall: Duration::from_millis(rng.pick(&[400, 3_000, 20_000])),
        ..fair
    }
}
