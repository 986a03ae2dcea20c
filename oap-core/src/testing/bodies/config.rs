//! Limits and configurations of any values.

use core::time::Duration;
use std::string::{String, ToString};
use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::choices::Choices;
use super::heap::Ledger;
use super::{Heap, STEPS};
use crate::wire::{MAX_FRAME, MIN_LEN};
use crate::{
    Config, Connection, Consume, Event, Fin, Head, Lane, LimitError, Limits, LimitsBuilder, Timers,
    Timestamp,
};

/// Arbitrary limits, timers and times: the builder takes exactly what its rules say, and two
/// connections so configured greet each other, carry a request and come to rest.
///
/// # Panics
/// If that does not hold, or the heap's bound is passed.
pub fn config(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let values = Values::take(&mut choices);
    let limits = match values.build() {
        Ok(limits) => limits,
        Err(error) => {
            assert!(values.breaks_a_rule(), "{values:?} is refused: {error}");
            return assert!(!error.to_string().is_empty());
        }
    };
    assert!(!values.breaks_a_rule(), "{values:?} is taken");
    values.assert_kept_by(&limits);
    values.assert_kept_by(&values.builder().build_unreserved());
    let client = any_config(limits, &mut choices);
    let server = any_config(limits, &mut choices);
    meet(client, server, &mut choices, heap);
}

/// What the builder is given.
#[derive(Debug)]
struct Values {
    max_frame: u32,
    max_inflight: u16,
    ack_window: u32,
    chunk: u32,
    send_buffer: u32,
}

impl Values {
    fn take(choices: &mut Choices<'_>) -> Self {
        Self {
            max_frame: number(choices, 4_096, MAX_FRAME),
            max_inflight: number(choices, 1, 64) as u16,
            ack_window: number(choices, 4_096, 8_388_608),
            chunk: number(choices, 4_063, MAX_FRAME - MIN_LEN),
            send_buffer: number(choices, 1, 262_144),
        }
    }

    fn build(&self) -> Result<Limits, LimitError> {
        self.builder().build()
    }

    fn builder(&self) -> LimitsBuilder {
        Limits::builder()
            .max_frame(self.max_frame)
            .max_inflight(self.max_inflight)
            .ack_window(self.ack_window)
            .chunk(self.chunk)
            .send_buffer(self.send_buffer)
    }

    fn breaks_a_rule(&self) -> bool {
        let windows = u64::from(self.ack_window) * u64::from(self.max_inflight);
        !(4_096..=MAX_FRAME).contains(&self.max_frame)
            || self.max_inflight == 0
            || !(4_096..=8_388_608).contains(&self.ack_window)
            || !(4_063..=MAX_FRAME - MIN_LEN).contains(&self.chunk)
            || self.send_buffer == 0
            || windows > 8 * u64::from(self.max_frame)
    }

    fn assert_kept_by(&self, limits: &Limits) {
        assert_eq!(limits.max_frame(), self.max_frame);
        assert_eq!(limits.max_inflight(), self.max_inflight);
        assert_eq!(limits.ack_window(), self.ack_window);
        assert_eq!(limits.chunk(), self.chunk);
        assert_eq!(limits.send_buffer(), self.send_buffer);
        assert_eq!(limits.buffer_bytes(), self.max_frame as usize * 8);
    }
}

/// A number at or beside a bound, between the bounds, or anything at all.
fn number(choices: &mut Choices<'_>, least: u32, most: u32) -> u32 {
    match choices.below(8) {
        0 => least,
        1 => most,
        2 => least - 1,
        3 => most + 1,
        4 => choices.u32(),
        _ => least + choices.u32() % (most - least + 1),
    }
}

fn any_config(limits: Limits, choices: &mut Choices<'_>) -> Config {
    let bits = choices.byte();
    let timers = Timers {
        first_frame: duration(choices),
        frame: duration(choices),
        write: duration(choices),
        idle: duration(choices),
        hello: duration(choices),
        request: duration(choices),
        verdict: duration(choices),
        linger: duration(choices),
        standstill: match bits & 128 {
            0 => Duration::ZERO,
            _ => Duration::from_secs(300),
        },
    };
    Config {
        limits,
        timers: timers.scaled(choices.pick(&[1, 2, 0, u32::MAX])),
        hello: bits & 1 == 0,
        windows: bits & 2 == 0,
        authorize: bits & 4 != 0,
        explicit_release: bits & 8 != 0,
        consume: match bits & 16 {
            0 => Consume::OnDelivery,
            _ => Consume::Manually,
        },
        multi_lane: bits & 32 != 0,
        pq: (bits & 64 != 0).then(|| "require".into()),
        hash_key: choices.u64(),
        retry_after_ms: choices.u32(),
        ..Config::default()
    }
}

fn duration(choices: &mut Choices<'_>) -> Duration {
    match choices.below(4) {
        0 => Duration::from_secs(5),
        1 => Duration::ZERO,
        2 => Duration::MAX,
        _ => Duration::from_micros(choices.u64() >> choices.below(64)),
    }
}

/// Two connections, the links between them without delay.
fn meet(client: Config, server: Config, choices: &mut Choices<'_>, heap: Heap) {
    // The application's own request is small beside the bound.
    let mut ledgers = [&client, &server].map(|config| Ledger::of_connection(config, heap));
    let mut now = Timestamp::from_micros(choices.u64() >> choices.below(64));
    let (client, server) = (Arc::new(client), Arc::new(server));
    let mut ends = [
        Connection::client(client, now),
        Connection::server(server, now),
    ];
    let _ = ends[0].request(now, Head::new(1), String::from("request").into(), Fin::End);
    let mut bufs = [BytesMut::new(), BytesMut::new()];
    for _ in 0..STEPS {
        let mut moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            let sent = transmit(&mut ends[from], now, &mut bufs[to]);
            ledgers[to].allow(sent);
            moved |= sent > 0;
            let (end, buf) = (&mut ends[to], &mut bufs[to]);
            ledgers[to].measure(|| {
                end.handle_input(Lane::FIRST, now, buf);
                moved |= answer_events(end);
            });
        }
        if moved {
            continue;
        }
        let deadlines = ends.iter().filter_map(|end| end.interest().deadline);
        let Some(next) = deadlines.min() else { return };
        if next == Timestamp::MAX {
            return;
        }
        now = now.max(next);
        for end in &mut ends {
            end.handle_timeout(now);
            let due = end.interest().deadline;
            let is_over = due.map_or(true, |due| due > now || due == Timestamp::MAX);
            assert!(is_over, "{due:?} stays due at {now:?}");
        }
    }
}

/// Moves what one end has to write; returns how many bytes.
fn transmit(from: &mut Connection, now: Timestamp, to: &mut BytesMut) -> usize {
    let Some(mut out) = from.poll_transmit(Lane::FIRST, now) else {
        return 0;
    };
    let sent = out.remaining();
    while out.has_remaining() {
        to.extend_from_slice(out.chunk());
        let taken = out.chunk().len();
        out.advance(taken);
    }
    sent
}

/// Takes all events and gives verdicts; returns whether there was any.
fn answer_events(end: &mut Connection) -> bool {
    let mut any = false;
    while let Some(event) = end.poll_event() {
        any = true;
        if let Event::Opened { id, .. } = event {
            if let Some(exchange) = end.exchange(id) {
                let _ = exchange.respond(crate::Code::OK, b"answer".to_vec().into());
            }
        }
    }
    any
}
