//! Which operation fails, and what was counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a side asks of its operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A connection is accepted.
    Accept,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// What was written is flushed.
    Flush,
    /// An alarm is set.
    Timer,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Accept,
        Self::Read,
        Self::Write,
        Self::Flush,
        Self::Timer,
    ];

    /// The ways in which it can fail.
    pub const fn manners(self) -> &'static [Manner] {
        match self {
            Self::Accept | Self::Flush => &[Manner::Error, Manner::Storm],
            Self::Read => &[Manner::Error, Manner::Eof, Manner::Storm],
            Self::Write => &[Manner::Error, Manner::Partial, Manner::Storm],
            Self::Timer => &[Manner::Early, Manner::Late],
        }
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With an error: no descriptors for an accept, a reset connection otherwise. The connection is
    /// of no use from then on.
    Error,
    /// The stream is at its end.
    Eof,
    /// One byte is written, whatever was offered.
    Partial,
    /// It says 100 times that it would block, and each time that it is ready again.
    Storm,
    /// The alarm rings at once.
    Early,
    /// The alarm rings 100 ms late.
    Late,
}

/// One operation and its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub op: Op,
    /// Which of its kind, from 1.
    pub nth: u64,
    /// How.
    pub manner: Manner,
}

/// Counts the operations of one side, and fails one of them. Clones share it.
#[derive(Clone)]
pub struct Plan(Arc<State>);

struct State {
    counts: [AtomicU64; Op::ALL.len()],
    bytes: AtomicU64,
    fault: Option<Fault>,
    struck: AtomicBool,
    over: AtomicBool,
    at_byte: u64,
    hook: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Plan {
    /// Nothing fails.
    pub fn recording() -> Self {
        Self::new(None, u64::MAX, None)
    }

    /// This operation fails.
    pub fn failing(fault: Fault) -> Self {
        Self::new(Some(fault), u64::MAX, None)
    }

    /// Nothing fails, and `hook` runs once this many bytes were read and written; a write that
    /// would pass the number stops at it.
    pub fn at_byte(at_byte: u64, hook: impl FnOnce() + Send + 'static) -> Self {
        Self::new(None, at_byte, Some(Box::new(hook)))
    }

    fn new(fault: Option<Fault>, at_byte: u64, hook: Option<Hook>) -> Self {
        Self(Arc::new(State {
            counts: Default::default(),
            bytes: AtomicU64::new(0),
            fault,
            struck: AtomicBool::new(false),
            over: AtomicBool::new(false),
            at_byte,
            hook: Mutex::new(hook),
        }))
    }

    /// How many operations of a kind were done.
    pub fn count(&self, op: Op) -> u64 {
        self.counter(op).load(Ordering::SeqCst)
    }

    /// How many bytes were read and written.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::SeqCst)
    }

    /// Whether the operation that was to fail was reached, or the byte.
    pub fn struck(&self) -> bool {
        self.0.struck.load(Ordering::SeqCst)
    }

    /// Nothing fails and nothing is counted from now on.
    pub fn end(&self) {
        self.0.over.store(true, Ordering::SeqCst);
    }

    /// How the next operation of this kind fails, if it does. The caller tells when it is done.
    pub(super) fn due(&self, op: Op) -> Option<Manner> {
        let fault = self.0.fault?;
        let over = self.0.over.load(Ordering::SeqCst);
        let due = !over && fault.op == op && fault.nth == self.count(op) + 1;
        due.then(|| {
            self.0.struck.store(true, Ordering::SeqCst);
            fault.manner
        })
    }

    /// An operation is done.
    pub(super) fn done(&self, op: Op) {
        if !self.0.over.load(Ordering::SeqCst) {
            self.counter(op).fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Bytes that may be written before the hook runs.
    pub(super) fn room(&self) -> usize {
        let room = self.0.at_byte.saturating_sub(self.bytes());
        match usize::try_from(room) {
            Ok(room) if room > 0 => room,
            _ => usize::MAX,
        }
    }

    /// Bytes were read or written.
    pub(super) fn moved(&self, bytes: usize) {
        let bytes = bytes as u64;
        let total = self.0.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if total < self.0.at_byte {
            return;
        }
        let hook = self.0.hook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hook) = { hook }.take() {
            self.0.struck.store(true, Ordering::SeqCst);
            hook();
        }
    }

    fn counter(&self, op: Op) -> &AtomicU64 {
        &self.0.counts[op as usize]
    }
}
