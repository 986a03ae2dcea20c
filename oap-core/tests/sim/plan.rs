//! What each exchange of a run does, and how both sides are configured.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use oap_core::testing::Rng;
use oap_core::wire::Features;
use oap_core::{Body, Code, Config, Consume, End, ExchangeId, Limits, Timestamp};

/// After so many bytes a pattern begins anew.
const PERIOD: usize = 524_287;
/// Bytes of an event.
pub(crate) const EVENT: usize = 700;

/// What an exchange does. The server knows it by the tenant id, which is the exchange's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The answer is the request, chunk by chunk.
    Echo,
    /// The answer is that many bytes of the server's.
    Download(usize),
    /// The server pushes that many events, then ends.
    Subscribe(usize),
    /// The server answers with an error.
    Fail,
    /// The server never answers; the client or a timer gives up.
    Never,
    /// The server denies it, where it asks a verifier.
    Denied,
}

/// How an exchange ended at the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Answered(Code),
    Ended(End),
    Cancelled,
    ConnectionOver,
}

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) at: Timestamp,
    /// Request bytes, in these chunks; a single one goes in one piece.
    pub(crate) chunks: VecDeque<usize>,
    pub(crate) cancel_at: Option<Timestamp>,
    pub(crate) server_cancels_after: Option<usize>,
    pub(crate) compress: bool,
    /// The next body, and how many chunks were left as it was made.
    pub(crate) made: Option<(usize, Body)>,
    pub(crate) id: Option<ExchangeId>,
    /// The client has sent its END.
    pub(crate) finished: bool,
    pub(crate) blocked: bool,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) pushed: usize,
    pub(crate) outcome: Option<Outcome>,
}

/// The bytes of a direction of an exchange, from an offset on, as many as half a table at most.
pub(crate) fn pattern(plan: usize, answer: bool, from: usize, len: usize) -> &'static [u8] {
    static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut rng = Rng::new(1);
        // Half of it repeats itself, so that compression sometimes pays.
        let once: Vec<u8> = (0..PERIOD)
            .map(|at| {
                let noise = rng.next_u64() as u8;
                if at / 512 % 2 == 0 { noise } else { 7 }
            })
            .collect();
        [once.clone(), once].concat()
    });
    let start = (from + plan * 40_503 + usize::from(answer) * 7_919) % PERIOD;
    &TABLE[start..start + len]
}

pub(crate) fn config(rng: &mut Rng) -> Config {
    let limits = loop {
        let max_frame = rng.pick(&[1_048_576, 1_048_576, 65_536, 8_192, 4_096]);
        let limits = Limits::builder()
            .max_frame(max_frame)
            .max_inflight(rng.pick(&[64, 64, 8, 3, 1]))
            .ack_window(rng.pick(&[131_072, 4_096, 5_000, 32_768, 1_048_576]))
            .chunk(rng.pick(&[65_536, 4_096, 1_048_543]))
            .send_buffer(rng.pick(&[262_144, 1, 10_000]))
            .build();
        if let Ok(limits) = limits {
            break limits;
        }
    };
    let mut features = Features::NONE;
    for feature in [Features::CANCEL, Features::PING, Features::GOAWAY] {
        if !rng.one_in(4) {
            features.insert(feature);
        }
    }
    Config {
        limits,
        features,
        hello: !rng.one_in(4),
        windows: !rng.one_in(4),
        authorize: rng.one_in(4),
        explicit_release: rng.one_in(3),
        consume: match rng.one_in(2) {
            true => Consume::OnDelivery,
            false => Consume::Manually,
        },
        hash_key: rng.next_u64(),
        ..Config::default()
    }
}

/// What one exchange does, with bodies of at most so many bytes.
pub(crate) fn plan(rng: &mut Rng, now: Timestamp, most: usize) -> Plan {
    let at = now + Duration::from_micros(rng.range(0, 3_000_000));
    let kind = match rng.range(0, 11) {
        0..=4 => Kind::Echo,
        5 | 6 => Kind::Download(rng.size(4 * most)),
        7 | 8 => Kind::Subscribe(rng.below(30)),
        9 => Kind::Fail,
        10 => Kind::Never,
        _ => Kind::Denied,
    };
    let count = match rng.one_in(2) {
        true => 1,
        false => rng.range(1, 12),
    };
    let most = rng.pick(&[64, 5_000, 100_000]).min(most);
    let chunks = (0..count).map(|_| rng.size(most)).collect();
    let cancel = kind == Kind::Never || rng.one_in(6);
    Plan {
        kind,
        at,
        chunks,
        cancel_at: cancel.then(|| at + Duration::from_micros(rng.range(0, 1_500_000))),
        server_cancels_after: rng.one_in(10).then(|| rng.size(50_000)),
        compress: rng.one_in(8),
        made: None,
        id: None,
        finished: false,
        blocked: false,
        sent: 0,
        answered: 0,
        pushed: 0,
        outcome: None,
    }
}
