//! What stands between a client and the server of the bugs.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use oap_core::wire::{Flags, HEADER_LEN, MAX_FRAME, MIN_LEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until};

use super::state::{Flow, State};
use super::{Bug, End, Hook};
use crate::live::draft::Draft;

/// Bytes that wait for one side before the other is no longer read.
const MOST: usize = 256 * 1024;

/// Carries bytes both ways, as the bug has it, until both sides have ended.
pub(super) async fn run(bug: Option<&'static Bug>, client: DuplexStream, server: DuplexStream) {
    let mut state = State::default();
    let mut client = Side::new(client);
    let mut server = Side::new(server);
    let tick = bug.and_then(|bug| bug.tick);
    let mut next = Instant::now() + tick.unwrap_or(Duration::MAX / 4);
    while !(client.over() && server.over()) {
        tokio::select! {
            got = client.from.read_buf(&mut client.input), if client.reads(&server) => {
                let ended = !matches!(got, Ok(1..));
                client.ended = ended;
                let flow = upward(bug, &mut state, &mut client.input, ended);
                route(flow, &mut client, &mut server);
                if ended {
                    if bug.is_some_and(|bug| bug.end == End::Close) {
                        return;
                    }
                    server.finishes = true;
                }
            }
            got = server.from.read_buf(&mut server.input), if server.reads(&client) => {
                let ended = !matches!(got, Ok(1..));
                server.ended = ended;
                let flow = downward(bug, &mut state, &mut server.input);
                route(flow, &mut client, &mut server);
                client.finishes = ended && !bug.is_some_and(|bug| bug.hides_end);
            }
            written = client.to.write_buf(&mut client.output), if client.output.has_remaining() => {
                client.wrote(written.is_ok());
            }
            written = server.to.write_buf(&mut server.output), if server.output.has_remaining() => {
                server.wrote(written.is_ok());
            }
            () = sleep_until(next), if tick.is_some() => {
                next += tick.unwrap_or_default();
                // An ignored frame: it keeps every timer but that of a frame from firing.
                let flow = Flow { up: Draft::control(Flags::EVENT, 204, 1).bytes(), ..Flow::default() };
                route(flow, &mut client, &mut server);
            }
        }
        client.finish().await;
        server.finish().await;
    }
}

/// One end of what the shim connects.
struct Side {
    from: ReadHalf<DuplexStream>,
    to: WriteHalf<DuplexStream>,
    input: BytesMut,
    output: BytesMut,
    /// It sends no more.
    ended: bool,
    /// It is to be sent no more than what waits.
    finishes: bool,
    finished: bool,
}

impl Side {
    fn new(stream: DuplexStream) -> Self {
        let (from, to) = split(stream);
        Self {
            from,
            to,
            input: BytesMut::new(),
            output: BytesMut::new(),
            ended: false,
            finishes: false,
            finished: false,
        }
    }

    fn reads(&self, other: &Self) -> bool {
        !self.ended && other.output.len() < MOST
    }

    fn over(&self) -> bool {
        self.ended && (self.finished || !self.finishes)
    }

    fn wrote(&mut self, fine: bool) {
        if !fine {
            self.output.clear();
        }
    }

    async fn finish(&mut self) {
        if self.finishes && !self.finished && self.output.is_empty() {
            self.finished = true;
            // Whoever is gone needs no end.
            let _ = self.to.shutdown().await;
        }
    }
}

fn route(flow: Flow, client: &mut Side, server: &mut Side) {
    server.output.extend_from_slice(&flow.up);
    client.output.extend_from_slice(&flow.down);
    if flow.close {
        client.finishes = true;
        client.ended = true;
        server.finishes = true;
        server.ended = true;
    }
}

fn upward(bug: Option<&Bug>, state: &mut State, input: &mut BytesMut, ended: bool) -> Flow {
    let mut flow = Flow::default();
    let Some((bug, hook)) = bug.and_then(|bug| Some((bug, bug.up?))) else {
        flow.up = input.split().to_vec();
        return flow;
    };
    while let Some(frame) = take(input) {
        let (corr, flags) = (frame.corr, frame.flags);
        state.note_up(&frame);
        hook(state, frame, &mut flow);
        state.noted_up(corr, flags);
    }
    if ended && bug.end == End::Pass {
        flow.up.extend_from_slice(input);
    }
    flow
}

fn downward(bug: Option<&Bug>, state: &mut State, input: &mut BytesMut) -> Flow {
    let mut flow = Flow::default();
    let Some(bug) = bug.filter(|bug| bug.up.is_some() || bug.down.is_some()) else {
        flow.down = input.split().to_vec();
        return flow;
    };
    let hook: Hook = bug.down.unwrap_or(|_, frame, flow| flow.down(&frame));
    while let Some(frame) = take(input) {
        state.note_down(&frame);
        hook(state, frame, &mut flow);
    }
    flow
}

/// Takes a frame off the front, once it is whole; one that no `len` can be believed of, as far as it
/// is there.
fn take(input: &mut BytesMut) -> Option<Draft> {
    let head = input.first_chunk::<HEADER_LEN>()?;
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let whole = if len < MIN_LEN {
        HEADER_LEN
    } else if len > MAX_FRAME {
        input.len()
    } else {
        4 + len as usize
    };
    (input.len() >= whole).then(|| Draft::parse(&input.split_to(whole)))
}
