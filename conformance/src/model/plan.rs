//! What the two applications of a world do, in bounds: a list of exchanges.

use std::sync::LazyLock;

use bytes::Bytes;
use oap_core::testing::Rng;

/// Whether the client gives an exchange up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cancels {
    /// Never.
    #[default]
    Never,
    /// At any point, or not at all.
    May,
    /// At some point, unless the exchange ends before that.
    Must,
}

/// One body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// RESP with so many bytes.
    Data(usize),
    /// EVENT with so many bytes.
    Event(usize),
}

impl Part {
    const fn len(self) -> usize {
        match self {
            Self::Data(len) | Self::Event(len) => len,
        }
    }
}

/// How the handler ends its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// With the END of its answer.
    #[default]
    End,
    /// With an error body.
    Fail,
    /// It gives the exchange up.
    Cancel,
    /// It returns without a word.
    Leave,
    /// It waits for the client to give up.
    Never,
}

/// One exchange, as both sides play it. The server knows it by its tenant.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The bodies of the request.
    pub request: &'static [usize],
    /// Whether the last of them ends the request half.
    pub ends: bool,
    /// The bodies of the answer.
    pub answer: &'static [Part],
    /// What follows them.
    pub finish: Finish,
    /// Whether the handler may answer before the request is complete.
    pub early: bool,
    /// Whether the client gives up.
    pub cancels: Cancels,
    /// Whether the handler may give up at any point.
    pub aborts: bool,
    /// Whether the START carries a capability.
    pub capability: bool,
}

impl Plan {
    /// A request of these bodies, answered by an empty END once it is complete.
    pub const fn new(request: &'static [usize]) -> Self {
        Self {
            request,
            ends: true,
            answer: &[],
            finish: Finish::End,
            early: false,
            cancels: Cancels::Never,
            aborts: false,
            capability: false,
        }
    }

    /// Answered by these.
    #[must_use]
    pub const fn answer(mut self, answer: &'static [Part]) -> Self {
        self.answer = answer;
        self
    }

    /// The handler ends like this.
    #[must_use]
    pub const fn finish(mut self, finish: Finish) -> Self {
        self.finish = finish;
        self
    }

    /// The answer may begin before the request is complete.
    #[must_use]
    pub const fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// The client sends no END: only the answer's ends the exchange.
    #[must_use]
    pub const fn endless(mut self) -> Self {
        self.ends = false;
        self.early()
    }

    /// The client gives up.
    #[must_use]
    pub const fn cancels(mut self, cancels: Cancels) -> Self {
        self.cancels = cancels;
        self
    }

    /// The handler may give up.
    #[must_use]
    pub const fn aborts(mut self) -> Self {
        self.aborts = true;
        self
    }

    /// With a capability.
    #[must_use]
    pub const fn capable(mut self) -> Self {
        self.capability = true;
        self
    }

    /// Bytes of the whole request.
    pub fn request_len(&self) -> usize {
        self.request.iter().sum()
    }

    /// Bytes of the whole answer.
    pub fn answer_len(&self) -> usize {
        self.answer.iter().map(|part| part.len()).sum()
    }
}

/// A direction of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// What the client sends.
    Request,
    /// What the server sends.
    Answer,
}

/// Bytes of each direction of each of a few exchanges; none is like another.
const TABLE: usize = 64 * 1024;
const PLANS: usize = 4;

/// The bytes of a direction from an offset on: what the sender sends and the receiver must see.
pub(super) fn bytes_of(plan: usize, half: Half, from: usize, len: usize) -> Bytes {
    static TABLES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut rng = Rng::new(0x0a9);
        let word = |_| rng.next_u64().to_le_bytes();
        (0..2 * PLANS * TABLE / 8).flat_map(word).collect()
    });
    assert!(plan < PLANS && from + len <= TABLE, "a plan out of bounds");
    let start = (plan * 2 + usize::from(half == Half::Answer)) * TABLE + from;
    Bytes::from_static(&TABLES[start..start + len])
}
