//! One connection, frame by frame, with whatever is at its other end.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use oap_core::driver::{LaneError, Lanes};
use oap_core::wire::{Decoder, ErrorBody, Flags, Frame, Header, MAX_FRAME};
use oap_core::{Lane, Reason};
use tokio::time::timeout;

use super::draft::{Draft, bytes_of};
use super::rules::Rules;
use super::transcript::{Transcript, Way, describe};
use super::verdict::{Step, fail};

/// What [`Wire::patience`] begins with.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long the transport may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// A connection that sends what it is told to, decodes what comes, and keeps a transcript.
pub struct Wire {
    io: Box<dyn Lanes>,
    inputs: BTreeMap<Lane, Input>,
    came: VecDeque<Came>,
    /// The lanes of exchanges that the other side has opened beside the first lane.
    homes: BTreeMap<u64, Lane>,
    over: bool,
    /// How long the implementation may take for what it does at once.
    pub patience: Duration,
    /// What every frame that comes has to keep to.
    pub rules: Rules,
    /// What went over it.
    pub transcript: Transcript,
}

struct Input {
    decoder: Decoder,
    bytes: BytesMut,
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Came {
    /// A frame, and its lane.
    Frame(Lane, Frame),
    /// Bytes that are no frame.
    Malformed(String),
    /// The end of one lane of several.
    LaneEnd(Lane),
    /// The end of the connection.
    End,
    /// Nothing, for as long as was waited.
    Nothing(Duration),
}

impl Came {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Frame(_, frame) => show(frame),
            Self::Malformed(fault) => format!("bytes that are no frame: {fault}"),
            Self::LaneEnd(lane) => format!("the end of lane {}", lane.0),
            Self::End => "the end of the connection".to_owned(),
            Self::Nothing(time) => format!("nothing within {time:?}"),
        }
    }
}

/// One line for a frame.
pub fn show(frame: &Frame) -> String {
    let bytes = frame.clone().into_bytes();
    describe(&bytes[..bytes.len().min(85)], bytes.len())
}

impl Wire {
    /// A connection whose frames are judged by `rules`.
    pub fn new(io: impl Lanes, rules: Rules) -> Self {
        Self {
            io: Box::new(io),
            inputs: BTreeMap::new(),
            came: VecDeque::new(),
            homes: BTreeMap::new(),
            over: false,
            patience: PATIENCE,
            rules,
            transcript: Transcript::default(),
        }
    }

    /// Whether there can be several lanes.
    pub fn is_multi(&self) -> bool {
        self.io.is_multi()
    }
}

// What goes out.
impl Wire {
    /// Sends a frame, on the lane of its exchange.
    pub async fn send(&mut self, draft: &Draft) {
        let bytes = draft.bytes();
        self.transcript.bytes(Way::Sent, &bytes);
        let lane = match draft.lane {
            Lane::FIRST => self.home_of(&bytes),
            other => other,
        };
        self.write(lane, &bytes).await;
    }

    /// Sends frames in one write, as far as they share a lane.
    pub async fn send_all(&mut self, drafts: &[Draft]) {
        let same =
            |one: &Draft, other: &Draft| self.home_of(&one.bytes()) == self.home_of(&other.bytes());
        let together: Vec<Vec<u8>> = drafts.chunk_by(same).map(bytes_of).collect();
        for draft in drafts {
            self.transcript.bytes(Way::Sent, &draft.bytes());
        }
        for bytes in together {
            self.write(self.home_of(&bytes), &bytes).await;
        }
    }

    /// Sends bytes as they are, on the lane of what looks like their exchange.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.transcript.bytes(Way::Sent, bytes);
        self.write(self.home_of(bytes), bytes).await;
    }

    /// Sends bytes one at a time, likewise.
    pub async fn trickle(&mut self, bytes: &[u8]) {
        self.transcript.note("byte by byte:");
        self.transcript.bytes(Way::Sent, bytes);
        let lane = self.home_of(bytes);
        for byte in bytes {
            self.write(lane, &[*byte]).await;
        }
    }

    /// The lane of the exchange that a frame names (OAP-11-7).
    fn home_of(&self, bytes: &[u8]) -> Lane {
        let header = bytes
            .first_chunk()
            .and_then(|header| Header::parse(header, MAX_FRAME).ok());
        let home = header.and_then(|header| self.homes.get(&header.corr_id));
        home.copied().unwrap_or(Lane::FIRST)
    }

    /// Ends what this side sends, on a transport of one lane.
    pub async fn finish(&mut self) {
        self.transcript.note("our end of the stream");
        // That the other side is gone already, or takes no more, shows in what comes.
        let _ = timeout(CLOSING, poll_fn(|cx| self.io.poll_close(cx))).await;
    }

    /// Ends what this side sends on a lane other than the first.
    pub fn finish_lane(&mut self, lane: Lane) {
        self.transcript.note(format!("our end of lane {}", lane.0));
        self.io.finish(lane);
    }

    /// What the other side has sent is taken in meanwhile, so that the two cannot wait for each
    /// other. A connection that takes no more is told by what comes next.
    async fn write(&mut self, lane: Lane, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let wrote = poll_fn(|cx| {
                let wrote = self.io.poll_write(cx, lane, &mut left);
                while wrote.is_pending() && !self.over && self.poll_input(cx).is_ready() {}
                wrote
            });
            if let Err(error) = wrote.await {
                return self.transcript.note(format!("not taken: {error}"));
            }
        }
        let _ = poll_fn(|cx| self.io.poll_flush(cx)).await;
    }
}

// What comes in.
impl Wire {
    /// What comes next, within [`Wire::patience`].
    pub async fn came(&mut self) -> Came {
        self.came_within(self.patience).await
    }

    /// What comes next, within a time.
    pub async fn came_within(&mut self, time: Duration) -> Came {
        if let Some(came) = self.came.pop_front() {
            return came;
        }
        if self.over {
            return Came::End;
        }
        let input = poll_fn(|cx| {
            while self.came.is_empty() && !self.over {
                match self.poll_input(cx) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        });
        match timeout(time, input).await {
            Err(_) => {
                self.transcript.note(format!("nothing within {time:?}"));
                Came::Nothing(time)
            }
            Ok(()) => self.came.pop_front().unwrap_or(Came::End),
        }
    }

    /// The next frame, which has to keep to the rules of all frames.
    ///
    /// # Errors
    /// Anything else came: `due` was.
    pub async fn next(&mut self, due: &str) -> Step<Frame> {
        self.next_within(due, self.patience).await
    }

    /// As [`Wire::next`], within a time.
    ///
    /// # Errors
    /// Anything else came: `due` was.
    pub async fn next_within(&mut self, due: &str, time: Duration) -> Step<Frame> {
        let next = self.next_on_within(due, time).await;
        next.map(|(_, frame)| frame)
    }

    /// As [`Wire::next`], with the frame's lane.
    ///
    /// # Errors
    /// Anything else came: `due` was.
    pub async fn next_on(&mut self, due: &str) -> Step<(Lane, Frame)> {
        self.next_on_within(due, self.patience).await
    }

    async fn next_on_within(&mut self, due: &str, time: Duration) -> Step<(Lane, Frame)> {
        match self.came_within(time).await {
            Came::Frame(lane, frame) => {
                self.rules.check(&frame)?;
                Ok((lane, frame))
            }
            other => fail(due, other.describe()),
        }
    }

    /// The connection ends without another frame.
    ///
    /// # Errors
    /// Something else came: `due` was.
    pub async fn ends(&mut self, due: &str) -> Step {
        self.ends_within(due, self.patience).await
    }

    /// As [`Wire::ends`], within a time.
    ///
    /// # Errors
    /// Something else came: `due` was.
    pub async fn ends_within(&mut self, due: &str, time: Duration) -> Step {
        loop {
            match self.came_within(time).await {
                Came::End => return Ok(()),
                Came::LaneEnd(_) => {}
                other => return fail(due, other.describe()),
            }
        }
    }

    /// A connection error frame with this code and reason, and then the end (OAP-1-9).
    ///
    /// # Errors
    /// Something else came.
    pub async fn fatal(&mut self, code: u16, reason: Reason) -> Step {
        let due = format!("a connection error frame {code} {reason}, then the end");
        let frame = self.next(&due).await?;
        is_connection_error(&frame, code, reason, &due)?;
        self.ends(&due).await
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let lane = match self.io.poll_readable(cx) {
                Poll::Ready(Ok(Some(lane))) => lane,
                Poll::Ready(Ok(None)) => return self.ended("the connection was closed"),
                Poll::Ready(Err(error)) => return self.failed(&error),
                Poll::Pending => return Poll::Pending,
            };
            let input = self.inputs.entry(lane).or_insert_with(|| Input {
                decoder: Decoder::new(MAX_FRAME),
                bytes: BytesMut::new(),
            });
            match self.io.poll_read(cx, lane, &mut input.bytes) {
                Poll::Pending if self.io.is_multi() => {}
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if self.io.is_multi() => {
                    self.transcript.note(format!("the end of lane {}", lane.0));
                    // A client that has sent its whole request ends its side of the lane.
                    if !self.homes.values().any(|home| *home == lane) {
                        self.came.push_back(Came::LaneEnd(lane));
                    }
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(0)) => return self.ended("the end of the stream"),
                Poll::Ready(Ok(_)) => {
                    self.decode(lane);
                    return Poll::Ready(());
                }
                Poll::Ready(Err(LaneError::Reset)) => {
                    self.transcript.note(format!("lane {} was reset", lane.0));
                    self.came.push_back(Came::LaneEnd(lane));
                    return Poll::Ready(());
                }
                Poll::Ready(Err(LaneError::Failed(error))) => return self.failed(&error),
            }
        }
    }

    fn decode(&mut self, lane: Lane) {
        let Some(input) = self.inputs.get_mut(&lane) else {
            return;
        };
        loop {
            match input.decoder.decode(&mut input.bytes) {
                Ok(Some(frame)) => {
                    let bytes = frame.clone().into_bytes();
                    self.transcript.bytes(Way::Came, &bytes);
                    let opens = frame.header.flags.contains(Flags::REQ | Flags::START);
                    if opens && lane != Lane::FIRST {
                        self.homes.insert(frame.header.corr_id, lane);
                    }
                    self.came.push_back(Came::Frame(lane, frame));
                }
                Ok(None) => return,
                Err(fault) => {
                    self.transcript.bytes(Way::Came, &input.bytes);
                    self.came.push_back(Came::Malformed(fault.to_string()));
                    self.over = true;
                    return;
                }
            }
        }
    }

    fn failed(&mut self, error: &io::Error) -> Poll<()> {
        self.ended(&format!("the connection is gone: {error}"))
    }

    fn ended(&mut self, how: &str) -> Poll<()> {
        self.over = true;
        self.transcript.note(how);
        let cut = self.inputs.values().any(|input| !input.bytes.is_empty());
        if cut {
            let fault = "it ended inside a frame".to_owned();
            self.came.push_back(Came::Malformed(fault));
        }
        Poll::Ready(())
    }
}

fn is_connection_error(frame: &Frame, code: u16, reason: Reason, due: &str) -> Step {
    let header = frame.header;
    let told = ErrorBody::parse(frame.payload()).map(|body| body.reason);
    let is = header.flags.directions() == Flags::RESP
        && header.flags.contains(Flags::END)
        && (header.app_proto_id, header.corr_id) == (0, 0)
        && header.code.get() == code
        && told == Some(reason.into());
    if is { Ok(()) } else { fail(due, show(frame)) }
}
