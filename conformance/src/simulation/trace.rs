//! The record of a run: a digest of everything that happened, and on request its text.

use std::fmt;

use oap_core::{Role, Timestamp};

/// Who did something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) line: usize,
    pub(super) role: Role,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.role {
            Role::Client => 'c',
            Role::Server => 's',
        };
        write!(f, "{}{side}", self.line)
    }
}

/// Collects what happens in the order in which it happens.
#[derive(Debug)]
pub(super) struct Trace {
    digest: u64,
    print: bool,
}

impl Trace {
    pub(super) const fn new(print: bool) -> Self {
        Self {
            digest: 0xcbf2_9ce4_8422_2325,
            print,
        }
    }

    /// Two runs with the same digest did the same things at the same times.
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Notes a happening with its two numbers.
    pub(super) fn note(&mut self, now: Timestamp, who: Who, what: &str, a: u64, b: u64) {
        self.mix(now.as_micros());
        self.mix((who.line as u64) << 1 | u64::from(who.role == Role::Server));
        self.bytes(what.as_bytes());
        self.mix(a);
        self.mix(b);
        if self.print {
            let micros = now.as_micros();
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            println!("{seconds:>9}.{rest:06} {who:<4} {what:<14} {a} {b}");
        }
    }

    /// Mixes bytes of the wire in.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.mix(u64::from(byte));
        }
    }

    fn mix(&mut self, word: u64) {
        self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.digest ^= self.digest >> 29;
    }
}
