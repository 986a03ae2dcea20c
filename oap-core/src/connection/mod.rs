//! One connection of either role, without any input or output of its own.

#[cfg(feature = "testing")]
mod audit;
mod budget;
mod closing;
mod control;
mod ending;
mod events;
mod exchange;
#[cfg(feature = "testing")]
mod fork;
mod frame;
mod handle;
mod hello;
mod index;
#[cfg(feature = "comp")]
mod inflate;
mod lanes;
mod recv;
mod send;
mod state;
mod timers;
mod transmit;
mod window;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::{Buf, BytesMut};

use self::budget::Budgets;
use self::events::Events;
use self::exchange::{Exchanges, Marks, Phase};
use self::frame::RawFrame;
use self::hello::Peer;
#[cfg(feature = "comp")]
use self::inflate::LiveBytes;
use self::lanes::{Lanes, Reply};
use self::timers::Timetable;
use crate::config::Consume;
use crate::wire::Features;
use crate::{
    Charge, CloseReason, Code, Config, Counters, Event, ExchangeId, Interest, Lane, Reason,
    SendError, Timestamp,
};

pub use self::handle::{Exchange, Verdict};
#[cfg(feature = "comp")]
pub use self::inflate::Compression;
pub use self::transmit::Transmit;

/// Events that may wait; further input stays undecoded until some are taken. It keeps what a batch
/// of tiny frames can occupy to a few KiB.
const MAX_EVENTS: usize = 32;
/// Frames that one call decodes; the rest stays undecoded until the next, so that a host which serves
/// several connections is not kept by a batch of frames that tell it nothing.
const MAX_BATCH: usize = 64;
/// Ids remembered of exchanges that ended before their END (OAP-3-14).
const LATE_IDS: usize = 256;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Opens exchanges.
    Client,
    /// Answers them.
    Server,
}

/// How far the connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Open,
    /// GOAWAY is sent: no new exchange, the open ones finish.
    Draining,
    /// Nothing is decoded any more; what is encoded is still written.
    Closing,
}

/// Why decoding has stopped before the input was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stall {
    /// Events or replies wait for the host.
    Host,
    /// The next frame does not fit beside so much that is held.
    Room(usize),
    /// The next START finds no slot, but the host may be about to release one.
    Release,
}

/// The whole protocol as a state machine: bytes and time in, events and bytes out.
///
/// Methods come as getters, `handle_*` (inputs, infallible: a peer's fault becomes an event and,
/// where the specification says so, a queued frame), commands (a failed one changes nothing) and
/// `poll_*` (outputs). They may be called in any order; [`Connection::interest`] says what is
/// worth calling next.
///
/// ```
/// use std::sync::Arc;
/// use bytes::{Buf, Bytes, BytesMut};
/// use oap_core::{Code, Config, Connection, Event, Fin, Head, Lane, Timestamp};
///
/// let (now, config) = (Timestamp::ZERO, Arc::new(Config::default()));
/// let mut client = Connection::client(config.clone(), now);
/// let mut server = Connection::server(config, now);
/// let mut wire = BytesMut::new();
///
/// client.request(now, Head::new(0x0f01), Bytes::from_static(b"ping").into(), Fin::End)?;
/// let mut transmit = client.poll_transmit(Lane::FIRST, now).expect("a HELLO and a request");
/// while transmit.has_remaining() {
///     wire.extend_from_slice(transmit.chunk());
///     transmit.advance(transmit.chunk().len());
/// }
/// server.handle_input(Lane::FIRST, now, &mut wire);
/// while let Some(event) = server.poll_event() {
///     if let Event::Opened { id, payload, .. } = event {
///         assert_eq!(&payload.wire_bytes()[..], b"ping");
///         let exchange = server.exchange(id).expect("it is open");
///         exchange.respond(Code::OK, payload.into_wire_bytes().into())?;
///     }
/// }
/// assert!(server.interest().write);
/// # Ok::<(), oap_core::SendError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    role: Role,
    life: Life,
    lanes: Lanes,
    exchanges: Exchanges,
    events: Events,
    /// Events among these that tell of an exchange's early end.
    ends_untold: usize,
    /// Replies the protocol obliges us to send and that are not encoded yet, over all lanes.
    obligations: usize,
    /// Charges of frames that the application has not consumed (OAP-6-16).
    held: usize,
    /// How many of these frames came in windowed directions (OAP-6-17).
    windowed_frames: usize,
    peer: Peer,
    budgets: Budgets,
    times: Timetable,
    late: VecDeque<u64>,
    /// The next id that a client gives out (OAP-3-1).
    next_corr: u64,
    ping_nonce: u64,
    eof: bool,
    /// Below this much held, any frame fits.
    free_running: usize,
    /// Payload bytes of the largest frame that a longer body is split into.
    max_chunk: usize,
    /// What decoding waits for, where it has stopped.
    stall: Stall,
    /// The transport takes nothing more, or the peer wants nothing more (OAP-4-6): what is encoded
    /// will never leave.
    write_failed: bool,
    #[cfg(feature = "comp")]
    live: LiveBytes,
    counters: Counters,
}

// Construction and getters.
impl Connection {
    /// The end that opens exchanges. With [`Config::hello`] a HELLO is queued at once.
    pub fn client(config: Arc<Config>, now: Timestamp) -> Self {
        let mut connection = Self::new(Role::Client, config, now);
        if connection.config.hello {
            connection.send_hello(now);
        }
        connection
    }

    /// The end that answers.
    pub fn server(config: Arc<Config>, now: Timestamp) -> Self {
        Self::new(Role::Server, config, now)
    }

    fn new(role: Role, config: Arc<Config>, now: Timestamp) -> Self {
        Self {
            role,
            life: Life::Open,
            lanes: Lanes::new(config.limits.max_frame()),
            exchanges: Exchanges::new(config.hash_key),
            events: Events::new(),
            ends_untold: 0,
            obligations: 0,
            held: 0,
            windowed_frames: 0,
            peer: Peer::default(),
            budgets: Budgets::new(),
            times: Timetable::new(now),
            late: VecDeque::new(),
            next_corr: 1,
            ping_nonce: 0,
            eof: false,
            free_running: config.limits.buffer_bytes() - config.limits.max_frame() as usize,
            max_chunk: config.limits.chunk() as usize,
            stall: Stall::Host,
            write_failed: false,
            #[cfg(feature = "comp")]
            live: LiveBytes::default(),
            counters: Counters::default(),
            config,
        }
    }

    /// Which end this is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What was received, sent, ignored and refused so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The configuration given at construction.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Exchanges whose slot is taken: open ones, and ended ones whose work goes on.
    pub const fn exchanges(&self) -> usize {
        self.exchanges.taken()
    }

    /// How many exchanges a client may have open now: the lower of both sides' limits (OAP-3-19).
    pub fn capacity(&self) -> usize {
        usize::from(
            self.config
                .limits
                .max_inflight()
                .min(self.peer.max_inflight),
        )
    }

    /// Received bytes, counted as the buffer budget counts them, that the application has not
    /// consumed.
    pub const fn held_bytes(&self) -> usize {
        self.held
    }

    /// Whether the peer takes no new exchanges.
    pub const fn is_going_away(&self) -> bool {
        self.peer.going_away
    }

    /// Most payload bytes of one frame, as both sides' limits stand.
    #[cfg(feature = "driver")]
    pub(crate) const fn frame_payload(&self) -> usize {
        self.max_chunk
    }

    /// Whether a lane has nothing open and nothing to write, so that this side may end it.
    pub fn is_lane_idle(&self, lane: Lane) -> bool {
        !self.lanes.has_output(lane) && !self.lanes.is_stalled(lane) && !self.is_lane_in_use(lane)
    }

    /// Whether decoding of a lane has stopped before its input was used up; see
    /// [`Interest::again`].
    pub fn is_lane_stalled(&self, lane: Lane) -> bool {
        self.lanes.is_stalled(lane)
    }

    /// Whether the connection is over; nothing is decoded any more.
    pub const fn is_closed(&self) -> bool {
        matches!(self.life, Life::Closing)
    }

    /// Whether the peer has used up a quarter of what it may cancel and do wrong (OAP-10-8). A host
    /// that serves others as well may make such a peer wait between its reads.
    pub const fn is_strained(&self, now: Timestamp) -> bool {
        self.budgets.is_strained(now)
    }

    /// What the host should do next. Constant time; it changes nothing.
    pub fn interest(&self) -> Interest {
        let work = self.work();
        Interest {
            deadline: if work.done { None } else { self.deadline() },
            ..work
        }
    }

    /// As [`Connection::interest`], without the deadline: for who does not sleep yet.
    #[inline]
    pub(crate) fn work(&self) -> Interest {
        let write = self.lanes.any_output() && !self.write_failed;
        let closing = self.is_closed();
        let paused = self.must_pause();
        let stalled = self.lanes.any_stalled();
        Interest {
            read: !closing && !paused && !stalled && !self.eof,
            write,
            again: !closing && !paused && stalled && self.may_resume(),
            event: !self.events.is_empty(),
            deadline: None,
            done: closing && !write,
        }
    }
}

// Inputs.
impl Connection {
    /// Decodes what `buf` holds of `lane`. Whole frames are taken off its front; the rest stays and
    /// must be handed in again with what follows it.
    ///
    /// Decoding stops early while too much waits for the host;
    /// [`Interest::again`] tells when to call again without new bytes.
    pub fn handle_input(&mut self, lane: Lane, now: Timestamp, buf: &mut BytesMut) {
        if self.lanes.is_waiting(lane, buf.len()) {
            return;
        }
        if self.is_closed()
            || !self
                .lanes
                .open(lane, self.config.multi_lane, &self.config.limits)
        {
            return buf.clear();
        }
        self.times.first_byte |= !buf.is_empty();
        let mut batch = 0;
        loop {
            if self.must_pause() || batch == MAX_BATCH {
                self.stall = Stall::Host;
                return self.lanes.stall(lane, now);
            }
            if self.held > self.free_running && !self.next_frame_fits(buf) {
                return self.stall_for_room(lane, now, batch > 0);
            }
            match self.lanes.get_mut(lane).decoder.poll_header(buf) {
                Ok(Some(header)) if self.waits_for_release(&header) => {
                    self.stall = Stall::Release;
                    return self.lanes.stall(lane, now);
                }
                Ok(Some(header)) => {
                    self.lanes.get_mut(lane).frame_deadline = Timestamp::MAX;
                    let mut frame = RawFrame::new(header, buf);
                    self.handle_frame(lane, now, &mut frame);
                    frame.finish();
                    batch += 1;
                    if self.is_closed() {
                        return buf.clear();
                    }
                    if buf.is_empty() && !self.must_pause() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(fault) => {
                    buf.clear();
                    return self.fail(lane, now, recv::framing_violation(&fault));
                }
            }
        }
        self.await_rest(lane, now, buf);
    }

    /// The lane's peer sends no more; `buf` holds what [`Connection::handle_input`] left of it.
    ///
    /// While decoding is stopped for want of room, the end takes effect after what is left.
    pub fn handle_eof(&mut self, lane: Lane, now: Timestamp, buf: &mut BytesMut) {
        if let Some(state) = self.lanes.try_get_mut(lane) {
            state.eof_pending = true;
            state.waiting = false;
        }
        self.handle_input(lane, now, buf);
    }

    /// The lane was reset in either direction: every exchange on it counts as cancelled, what was to
    /// be written on it is dropped, and its number may be used for a new lane (OAP-11-9).
    pub fn handle_reset(&mut self, lane: Lane, now: Timestamp) {
        if !self.is_closed() && self.lanes.exists(lane) {
            self.cut_lane(lane, now);
        }
        if self.lanes.try_get_mut(lane).is_some() {
            self.obligations -= self.lanes.close(lane, self.config.limits.max_frame());
        }
    }

    /// Drops what is to be written on a lane on which nothing may be written any more.
    pub fn drop_output(&mut self, lane: Lane) {
        if self.lanes.try_get_mut(lane).is_some() {
            self.obligations -= self.lanes.drop_output(lane);
        }
    }

    /// The transport failed: nothing more can be read or written.
    pub fn handle_transport_error(&mut self) {
        self.write_failed = true;
        self.shut(CloseReason::Transport);
    }

    /// The peer has closed all lanes at once, in good order: nothing more can be read or written.
    pub fn handle_peer_close(&mut self) {
        self.write_failed = true;
        self.shut(CloseReason::PeerClosed);
    }

    /// The host stops reading, to keep a rate say, until [`Connection::handle_resume`]: the peer is
    /// not blamed for what it cannot get through meanwhile (OAP-10-3).
    pub fn handle_pause(&mut self, now: Timestamp) {
        self.lanes.hold(now);
    }

    /// The host reads again.
    pub fn handle_resume(&mut self, now: Timestamp) {
        if self.lanes.release(now) {
            self.times.read_again(now);
        }
    }

    /// The host stops writing, to keep a rate say, until [`Connection::handle_write_resume`]: the
    /// write timers stand still.
    pub fn handle_write_pause(&mut self, now: Timestamp) {
        self.lanes.hold_writes(now);
    }

    /// The host writes again.
    pub fn handle_write_resume(&mut self, now: Timestamp) {
        self.lanes.release_writes(now);
    }
}

// Commands.
impl Connection {
    /// The exchange behind a handle, unless it is stale.
    pub fn exchange(&mut self, id: ExchangeId) -> Option<Exchange<'_>> {
        self.exchanges
            .slot(id)
            .map(|slot| Exchange::new(self, slot))
    }

    /// Tells that the application is done with a payload, where [`Consume::Manually`] is set. Each
    /// delivered payload once, empty ones too, and also after the exchange has ended.
    #[inline]
    pub fn consumed(&mut self, id: ExchangeId, charge: Charge) {
        self.unhold(charge.wire_len, charge.windowed);
        if charge.windowed {
            if let Some(slot) = self.exchanges.slot(id) {
                self.credit(slot, charge.wire_len);
            }
        }
    }

    /// Takes no new exchanges, lets the open ones finish, then closes (OAP-4-12).
    pub fn drain(&mut self) {
        if self.life == Life::Open {
            self.life = Life::Draining;
            self.send_goaway(Code::UNAVAILABLE, Reason::Draining);
            self.close_if_finished();
        }
    }

    /// Closes now: open exchanges end, what is encoded is still written.
    pub fn close(&mut self) {
        if self.life == Life::Open && self.role == Role::Server {
            self.send_goaway(Code::UNAVAILABLE, Reason::Draining);
        }
        self.finish(CloseReason::Local);
    }

    /// Sends a PING and returns its nonce; [`Event::Pong`] follows. While one is not answered, its
    /// nonce is returned and no other is sent.
    ///
    /// # Errors
    /// [`SendError::Unsupported`] if the peer did not list `ping`, [`SendError::Closed`].
    pub fn ping(&mut self, now: Timestamp) -> Result<u64, SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if !self.peer.features.contains(Features::PING) {
            return Err(SendError::Unsupported);
        }
        match self.times.ping {
            Some((nonce, _)) => Ok(nonce),
            None => Ok(self.send_ping(now)),
        }
    }
}

// Outputs.
impl Connection {
    /// The next event. Under [`Consume::OnDelivery`] its payload counts as consumed.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        match &event {
            Event::Opened { id, payload, .. }
            | Event::Data { id, payload, .. }
            | Event::Pushed { id, payload, .. }
                if self.config.consume == Consume::OnDelivery =>
            {
                self.consumed(*id, payload.charge());
            }
            Event::Ended { .. } => self.ends_untold -= 1,
            _ => {}
        }
        Some(event)
    }

    /// The bytes that wait to be written on `lane`, lent: write from them and advance.
    ///
    /// `None` if there are none. What is not taken is lent again by the next call.
    #[inline]
    pub fn poll_transmit(&mut self, lane: Lane, now: Timestamp) -> Option<Transmit<'_>> {
        if self.write_failed {
            return None;
        }
        self.fill(lane);
        self.watch_writes(lane, now);
        let out = &mut self.lanes.try_get_mut(lane)?.out;
        out.has_remaining().then(|| Transmit::new(out))
    }

    /// Whether the host does well to go on decoding before it writes: more is at hand, and less than
    /// `bytes` is encoded on the first lane. So all answers to one read leave in one write.
    pub fn wants_to_go_on(&self, bytes: usize) -> bool {
        let work = self.work();
        (work.again || work.event) && self.lanes.encoded(Lane::FIRST) < bytes
    }

    /// The next lane that has something to write, where there are several. Lanes take turns; those
    /// that `takes` nothing are passed over.
    pub fn poll_writable_lane(&mut self, takes: impl FnMut(Lane) -> bool) -> Option<Lane> {
        if self.write_failed {
            return None;
        }
        self.lanes.next_with_output(takes)
    }
}

// What the parts share.
impl Connection {
    /// Whether decoding has to stop until the host has done something.
    #[inline]
    fn must_pause(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.obligations >= budget::MAX_OBLIGATIONS
    }

    /// Whether what decoding has stopped for is there now.
    fn may_resume(&self) -> bool {
        match self.stall {
            Stall::Host => true,
            Stall::Room(held) => self.held < held,
            Stall::Release => self.ends_untold == 0,
        }
    }

    fn push_reply(&mut self, lane: Lane, reply: Reply) {
        self.obligations += usize::from(reply.is_obligatory());
        self.times.used();
        self.lanes.push_reply(lane, reply);
    }

    /// Counts consumed bytes and queues an ACK where one is due (OAP-6-8).
    #[inline]
    fn credit(&mut self, slot: u32, wire_len: usize) {
        let exchange = self.exchanges.get_mut(slot);
        let wants = exchange.marks.has(Marks::PEER_WINDOWED)
            && !exchange.marks.has(Marks::PEER_FINISHED)
            && matches!(
                exchange.phase,
                Phase::Open | Phase::Parked | Phase::Discarding
            );
        if wants {
            let own = self.config.limits.ack_window();
            let threshold = exchange.window.min(own).min(hello::DEFAULT_WINDOW);
            if exchange.recv.consume(wire_len, exchange.window, threshold) {
                self.queue_ack(slot);
            }
        }
    }

    /// At most one ACK of an exchange waits; it gets its numbers when it is encoded (OAP-6-11).
    fn queue_ack(&mut self, slot: u32) {
        if self.is_closed() {
            return;
        }
        let id = self.exchanges.id(slot);
        let exchange = self.exchanges.get_mut(slot);
        if !exchange.marks.has(Marks::ACK_QUEUED) {
            exchange.marks.set(Marks::ACK_QUEUED);
            let lane = exchange.lane;
            self.lanes.push_ack(lane, id);
        }
    }

    /// Remembers an id that ended before its END (OAP-3-14).
    fn remember_late(&mut self, corr: u64) {
        match self.late.iter().position(|&late| late == corr) {
            Some(at) => drop(self.late.remove(at)),
            None if self.late.len() >= LATE_IDS => drop(self.late.pop_front()),
            None => {}
        }
        self.late.push_back(corr);
    }
}
