//! What a connection's task and its handles share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::vec::Vec;

use super::lanes::LanePool;
use super::{CallError, ConnectionInfo, Message, MessageKind};
use crate::wire::Hello;
use crate::{
    Body, Charge, CloseReason, Code, Connection, Event, ExchangeId, Fin, Head, Interest, Lane,
    Payload, Role, SendError, Start, Timestamp, Verdict,
};

/// The state machine behind a lock. The lock is never held across an await, and no waker is called
/// under it.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    now: std::boxed::Box<dyn Fn() -> Timestamp + Send + Sync>,
    info: ConnectionInfo,
    aborted: AtomicBool,
    /// Bytes inflated since the connection's task last asked.
    inflated: AtomicUsize,
}

pub(super) struct Inner {
    pub(super) connection: Connection,
    /// A mailbox lives as long as its handle, which may be longer than the exchange's slot.
    mailboxes: Vec<Mailbox>,
    vacant: Vec<usize>,
    /// By slot: which mailbox its exchange has.
    routes: Vec<usize>,
    /// A client's lanes, where there are several.
    lanes: Option<LanePool>,
    /// Lanes whose exchange nobody holds any more.
    pub(super) retired: Vec<Lane>,
    pub(super) hello: HelloState,
    pub(super) closed: Option<CloseReason>,
    /// The connection's task, since it first slept.
    task: Option<Waker>,
    /// The task sleeps. While it runs it looks at everything again before it sleeps, so that nobody
    /// needs to wake it.
    asleep: bool,
    /// Callers that wait for a free slot, first come first served.
    slot_waiters: VecDeque<(u64, Waker)>,
    next_ticket: u64,
    /// Callers that wait for HELLO, a PONG or the end.
    watchers: BTreeMap<u64, Waker>,
    pub(super) last_pong: Option<u64>,
    /// Wakers to be called once the lock is free.
    due: Vec<Waker>,
}

/// Whether the peer's HELLO has been heard.
#[derive(Clone, Debug)]
pub(super) enum HelloState {
    Awaited,
    Known(std::boxed::Box<Hello>),
    None,
}

/// An exchange and its mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) id: ExchangeId,
    mailbox: usize,
}

/// What has come for one exchange and is not taken yet.
#[derive(Default)]
struct Mailbox {
    id: Option<ExchangeId>,
    /// The lane that the exchange has for itself.
    lane: Option<Lane>,
    messages: VecDeque<(Message, Charge)>,
    end: Option<CallError>,
    /// The end is one that stops the handler.
    end_for_handler: bool,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    /// The handler's future, while it waits.
    handler: Option<Waker>,
}

/// What the task has to start because of an event.
pub(super) enum Work {
    Authorize(Key, Start),
    Handle(Key, Start, Payload, Fin),
}

impl Shared {
    pub(super) fn new(
        connection: Connection,
        info: ConnectionInfo,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Arc<Self> {
        let is_client = connection.role() == Role::Client;
        let lanes = (is_client && connection.config().multi_lane).then(LanePool::default);
        let awaited = connection.config().hello;
        Arc::new(Self {
            inner: Mutex::new(Inner {
                connection,
                mailboxes: Vec::new(),
                vacant: Vec::new(),
                routes: Vec::new(),
                lanes,
                retired: Vec::new(),
                hello: if awaited {
                    HelloState::Awaited
                } else {
                    HelloState::None
                },
                closed: None,
                task: None,
                asleep: false,
                slot_waiters: VecDeque::new(),
                next_ticket: 0,
                watchers: BTreeMap::new(),
                last_pong: None,
                due: Vec::new(),
            }),
            now: std::boxed::Box::new(now),
            info,
            aborted: AtomicBool::new(false),
            inflated: AtomicUsize::new(0),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// What is known of the connection.
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The task ends at its next turn, which comes at once, with whatever is under way.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.command(|inner| {
            inner.connection.handle_transport_error();
            inner.close(CloseReason::Local);
        });
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    pub(super) fn is_strained(&self) -> bool {
        let now = self.now();
        self.lock().connection.is_strained(now)
    }

    /// A handler has inflated so much.
    #[cfg(feature = "comp")]
    pub(super) fn has_inflated(&self, bytes: usize) {
        self.inflated.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes inflated since [`Shared::take_inflated`].
    #[inline]
    pub(super) fn inflated(&self) -> usize {
        self.inflated.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn take_inflated(&self) -> usize {
        if self.inflated() == 0 {
            return 0;
        }
        self.inflated.swap(0, Ordering::Relaxed)
    }

    /// The state, for a command: the task is woken afterwards to carry out what it led to.
    pub(super) fn command<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        self.attempt(act, |_| true)
    }

    /// As [`Shared::command`], but the task is woken only if there is something to carry out. A
    /// caller that is polled for nothing must not have the task polled for nothing: on an executor
    /// that polls the caller whenever a task is woken, each would keep the other awake.
    pub(super) fn attempt<T>(
        &self,
        act: impl FnOnce(&mut Inner) -> T,
        acted: impl FnOnce(&T) -> bool,
    ) -> T {
        let mut inner = self.lock();
        let result = act(&mut inner);
        let task = if inner.asleep && acted(&result) {
            inner.asleep = false;
            inner.task.clone()
        } else {
            None
        };
        let due = core::mem::take(&mut inner.due);
        drop(inner);
        task.into_iter().chain(due).for_each(Waker::wake);
        result
    }

    /// The state, for the task or for looking at it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Wakers that the caller must call once it has let go of the lock, for an empty list.
    pub(super) fn swap_due(&mut self, due: &mut Vec<Waker>) {
        core::mem::swap(&mut self.due, due);
    }

    /// The task goes to sleep.
    pub(super) fn sleep(&mut self, waker: &Waker) {
        self.asleep = true;
        match &self.task {
            Some(task) if task.will_wake(waker) => {}
            _ => self.task = Some(waker.clone()),
        }
    }

    /// The task runs: commands need not wake it.
    pub(super) fn awake(&mut self) {
        self.asleep = false;
    }

    /// What there is to do, and the frames received so far.
    pub(super) fn progress(&self) -> (Interest, u64) {
        let received = self.connection.counters().frames_received;
        (self.connection.work(), received)
    }

    /// Opens an exchange. Where there are several lanes it gets one for itself, unless it is to
    /// `share` one (OAP-11-8).
    pub(super) fn open(
        &mut self,
        now: Timestamp,
        mut head: Head,
        body: Body,
        fin: Fin,
        share: bool,
    ) -> Result<Key, SendError> {
        if let Some(pool) = &mut self.lanes {
            head.lane = if share { pool.shared() } else { pool.own() };
        }
        let lane = head.lane;
        let opened = self.connection.request(now, head, body, fin);
        if let (Some(pool), Err(_)) = (&mut self.lanes, &opened) {
            pool.release(lane);
        }
        let key = self.adopt(opened?);
        if self.lanes.is_some() && LanePool::is_own(lane) {
            self.mailboxes[key.mailbox].lane = Some(lane);
        }
        Ok(key)
    }

    /// The lane has ended in both directions: its number may be used again.
    pub(super) fn release_lane(&mut self, lane: Lane) {
        if let Some(pool) = &mut self.lanes {
            pool.release(lane);
        }
    }

    /// The peer sends nothing more on the lane.
    pub(super) fn lose_lane(&mut self, lane: Lane) {
        if let Some(pool) = &mut self.lanes {
            pool.lose(lane);
        }
    }

    /// Makes a mailbox for an exchange that has begun.
    pub(super) fn adopt(&mut self, id: ExchangeId) -> Key {
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.mailboxes.push(Mailbox::default());
            self.mailboxes.len() - 1
        });
        self.mailboxes[at].id = Some(id);
        if id.index() >= self.routes.len() {
            self.routes.resize(id.index() + 1, usize::MAX);
        }
        self.routes[id.index()] = at;
        Key { id, mailbox: at }
    }

    /// The mailbox of an exchange, whose handle may be gone.
    fn key(&self, id: ExchangeId) -> Option<Key> {
        let at = *self.routes.get(id.index())?;
        let mailbox = self.mailboxes.get(at)?;
        (mailbox.id == Some(id)).then_some(Key { id, mailbox: at })
    }

    fn mailbox(&mut self, id: ExchangeId) -> Option<&mut Mailbox> {
        let key = self.key(id)?;
        Some(&mut self.mailboxes[key.mailbox])
    }

    /// Nobody listens to the exchange any more: what came for it counts as consumed. The key is not
    /// to be used again.
    pub(super) fn disown(&mut self, key: Key) {
        let mailbox = core::mem::take(&mut self.mailboxes[key.mailbox]);
        self.vacant.push(key.mailbox);
        self.retired.extend(mailbox.lane);
        for (_, charge) in mailbox.messages {
            self.connection.consumed(key.id, charge);
        }
        self.admit_waiters();
    }

    /// The next message of an exchange, consumed; `Ok(None)`: none yet, and `waker` is registered.
    pub(super) fn receive(
        &mut self,
        key: Key,
        waker: &Waker,
    ) -> Result<Option<Message>, CallError> {
        let mailbox = &mut self.mailboxes[key.mailbox];
        if let Some((message, charge)) = mailbox.messages.pop_front() {
            self.connection.consumed(key.id, charge);
            return Ok(Some(message));
        }
        if let Some(end) = &mailbox.end {
            return Err(end.clone());
        }
        if let Some(reason) = &self.closed {
            return Err(CallError::Closed(reason.clone()));
        }
        mailbox.receiver = Some(waker.clone());
        Ok(None)
    }

    /// Why nothing more can be sent on an exchange, if so.
    pub(super) fn end_of(&self, key: Key) -> Option<CallError> {
        let end = self.mailboxes[key.mailbox].end.clone();
        end.or(self.closed.clone().map(CallError::Closed))
    }

    /// The exchange has ended by a caller's doing, who is told at once. Its slot may be another's
    /// before the event of it is handed out.
    #[cfg(feature = "comp")]
    pub(super) fn ended(&mut self, key: Key, end: CallError) {
        self.mailboxes[key.mailbox].end = Some(end);
    }

    pub(super) fn wait_for_room(&mut self, key: Key, waker: &Waker) {
        self.mailboxes[key.mailbox].sender = Some(waker.clone());
    }

    /// Registers a handler's future to be woken when its exchange ends; true if it has ended.
    pub(super) fn watch_end(&mut self, id: ExchangeId, waker: &Waker) -> bool {
        let closed = self.closed.is_some();
        match self.mailbox(id) {
            Some(mailbox) if mailbox.end_for_handler || closed => true,
            Some(mailbox) => {
                mailbox.handler = Some(waker.clone());
                false
            }
            // The handler has given its exchange away: it ends when it likes.
            None => false,
        }
    }

    /// The verdict on a START. Its mailbox stays for the handler that it may lead to.
    pub(super) fn authorize(&mut self, key: Key, now: Timestamp, verdict: Verdict) {
        if let Some(exchange) = self.connection.exchange(key.id) {
            if exchange.is_ended() {
                exchange.release();
            } else {
                exchange.authorize(now, verdict);
            }
        }
        if self.connection.exchange(key.id).is_none() {
            self.disown(key);
        }
    }

    /// Waits for HELLO, a PONG or the end.
    pub(super) fn watch(&mut self, ticket: u64, waker: &Waker) {
        self.watchers.insert(ticket, waker.clone());
    }

    /// Waits no longer; the waker is to be dropped without the lock.
    pub(super) fn stop_watching(&mut self, ticket: u64) -> Option<Waker> {
        self.watchers.remove(&ticket)
    }

    fn notify_watchers(&mut self) {
        let watchers = core::mem::take(&mut self.watchers);
        self.due.extend(watchers.into_values());
    }

    /// Hands one event to whom it concerns; what needs a new future comes back.
    pub(super) fn dispatch(&mut self, event: Event) -> Option<Work> {
        match event {
            Event::Authorize { id, start } => {
                return Some(Work::Authorize(self.adopt(id), start));
            }
            Event::Opened {
                id,
                start,
                payload,
                fin,
            } => {
                let charge = payload.charge();
                self.connection.consumed(id, charge);
                let key = self.key(id).unwrap_or_else(|| self.adopt(id));
                return Some(Work::Handle(key, start, payload, fin));
            }
            Event::Data {
                id,
                code,
                payload,
                fin,
            } => {
                self.post(id, MessageKind::Data, code, payload, fin);
            }
            Event::Pushed { id, code, payload } => {
                self.post(id, MessageKind::Event, code, payload, Fin::More);
            }
            Event::Truncated { id } => self.end(id, CallError::Truncated, false),
            Event::Ended { id, end } => self.end(id, CallError::Ended(end), true),
            Event::Writable { id } => {
                let waker = self.mailbox(id).and_then(|mailbox| mailbox.sender.take());
                self.due.extend(waker);
            }
            Event::Hello(hello) => {
                self.hello = HelloState::Known(hello);
                self.notify_watchers();
            }
            Event::NoHello => {
                self.hello = HelloState::None;
                self.notify_watchers();
            }
            Event::Pong { nonce, .. } => {
                self.last_pong = Some(nonce);
                self.notify_watchers();
            }
            Event::GoAway { .. } => {
                self.connection.drain();
                let waiters = core::mem::take(&mut self.slot_waiters);
                self.due.extend(waiters.into_iter().map(|(_, waker)| waker));
                self.notify_watchers();
            }
            Event::Closed(reason) => self.close(reason),
        }
        None
    }

    fn post(&mut self, id: ExchangeId, kind: MessageKind, code: Code, payload: Payload, fin: Fin) {
        let charge = payload.charge();
        match self.mailbox(id) {
            Some(mailbox) => {
                mailbox.messages.push_back((
                    Message {
                        kind,
                        code,
                        payload,
                        fin,
                    },
                    charge,
                ));
                let receiver = mailbox.receiver.take();
                // An answer that has ended takes no more of its request (OAP-3-4): who waits to send
                // must hear of it.
                let sender = mailbox.sender.take_if(|_| fin.is_end());
                self.due.extend(receiver.into_iter().chain(sender));
            }
            None => self.connection.consumed(id, charge),
        }
    }

    fn end(&mut self, id: ExchangeId, end: CallError, for_handler: bool) {
        let Some(mailbox) = self.mailbox(id) else {
            // Nobody works on it: its slot is free at once.
            if let (true, Some(exchange)) = (for_handler, self.connection.exchange(id)) {
                exchange.release();
            }
            return;
        };
        if mailbox.end.is_none() || for_handler {
            mailbox.end = Some(end);
        }
        mailbox.end_for_handler |= for_handler;
        let handler = if for_handler {
            mailbox.handler.take()
        } else {
            None
        };
        let wakers = [mailbox.receiver.take(), mailbox.sender.take(), handler];
        self.due.extend(wakers.into_iter().flatten());
    }

    /// The task is gone, whatever was under way.
    pub(super) fn cut_off(&mut self) {
        self.task = None;
        if self.closed.is_none() {
            self.connection.handle_transport_error();
            self.close(CloseReason::Transport);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.closed = Some(reason);
        for mailbox in &mut self.mailboxes {
            let wakers = [
                mailbox.receiver.take(),
                mailbox.sender.take(),
                mailbox.handler.take(),
            ];
            self.due.extend(wakers.into_iter().flatten());
        }
        let waiters = core::mem::take(&mut self.slot_waiters);
        self.due.extend(waiters.into_iter().map(|(_, waker)| waker));
        self.notify_watchers();
    }

    /// A ticket for the queue for slots, or for watching.
    pub(super) fn take_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Stands in the queue for slots, or stays where the ticket stands.
    pub(super) fn wait_for_slot(&mut self, ticket: u64, waker: &Waker) {
        match self
            .slot_waiters
            .iter_mut()
            .find(|(other, _)| *other == ticket)
        {
            Some((_, old)) => old.clone_from(waker),
            None => self.slot_waiters.push_back((ticket, waker.clone())),
        }
    }

    /// Leaves the queue; whoever was called up and does not go passes the place on.
    pub(super) fn leave_queue(&mut self, ticket: u64) {
        self.slot_waiters.retain(|(other, _)| *other != ticket);
        self.admit_waiters();
    }

    /// Calls up as many waiting callers as slots are free.
    pub(super) fn admit_waiters(&mut self) {
        if self.slot_waiters.is_empty() {
            return;
        }
        let free = self
            .connection
            .capacity()
            .saturating_sub(self.connection.exchanges());
        let called = free.min(self.slot_waiters.len());
        self.due
            .extend(self.slot_waiters.drain(..called).map(|(_, waker)| waker));
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn trim(&mut self) {
        if self.vacant.len() == self.mailboxes.len() {
            self.mailboxes = Vec::new();
            self.vacant = Vec::new();
            self.routes = Vec::new();
        }
        self.due = Vec::new();
        self.slot_waiters.shrink_to_fit();
    }
}
