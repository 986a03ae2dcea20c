//! The stacks: each runtime with its adapter.

pub mod blocking;
mod smol;
mod tokio;

use std::sync::Arc;

use super::{Stack, Wire};

/// Which stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// oap-tokio on two worker threads.
    TokioMultiThread,
    /// oap-tokio on one thread.
    TokioCurrentThread,
    /// oap-smol on two threads.
    Smol,
    /// Threads and blocking calls of the standard library; no QUIC.
    Blocking,
}

impl Kind {
    /// For messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokioMultiThread => "tokio, multi-thread",
            Self::TokioCurrentThread => "tokio, current-thread",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        }
    }

    /// For command lines.
    pub const fn id(self) -> &'static str {
        match self {
            Self::TokioMultiThread => "tokio",
            Self::TokioCurrentThread => "tokio-current",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        }
    }

    /// The one with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        let all = [
            Self::TokioMultiThread,
            Self::TokioCurrentThread,
            Self::Smol,
            Self::Blocking,
        ];
        all.into_iter().find(|kind| kind.id() == id)
    }

    /// Whether it has the transport.
    pub fn carries(self, wire: Wire) -> bool {
        self != Self::Blocking || wire != Wire::Quic
    }

    /// A runtime of its own; it ends with the last clone.
    pub fn start(self) -> Arc<dyn Stack> {
        match self {
            Self::TokioMultiThread => Arc::new(tokio::TokioStack::multi_thread()),
            Self::TokioCurrentThread => Arc::new(tokio::TokioStack::current_thread()),
            Self::Smol => Arc::new(smol::SmolStack::new()),
            Self::Blocking => Arc::new(blocking::BlockingStack::new()),
        }
    }
}
