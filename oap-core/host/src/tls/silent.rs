use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::{FuturesUnordered, Stream};

/// How many may wait at once; the one that has waited longest makes room for another.
const MOST: usize = 1_024;

/// Accepted connections whose peers have not said anything yet.
///
/// It holds them until their first byte is there, so that a peer that connects and says nothing
/// takes a descriptor but no place among the handshakes. Whoever fills it cannot keep others out:
/// an honest peer speaks at once, and the longest silent goes first.
pub struct Silent<C> {
    waiting: FuturesUnordered<Waiting<C>>,
    /// By age.
    handles: BTreeMap<u64, AbortHandle>,
    next: u64,
}

type Waiting<C> = Pin<Box<dyn Future<Output = (u64, Option<C>)> + Send>>;

impl<C: 'static> Silent<C> {
    /// Holds a connection: `spoken` gives it back once its peer has spoken, and `None` if that has
    /// not come to pass when the time for its handshake is over (OAP-10-1).
    pub fn push(&mut self, spoken: impl Future<Output = Option<C>> + Send + 'static) {
        if self.handles.len() >= MOST
            && let Some((_, oldest)) = self.handles.pop_first()
        {
            oldest.abort();
        }
        let id = self.next;
        self.next += 1;
        let (spoken, handle) = abortable(spoken);
        self.handles.insert(id, handle);
        self.waiting
            .push(Box::pin(async move { (id, spoken.await.ok().flatten()) }));
    }

    /// The next connection that has spoken, or `None` for one that has not in time or had to make
    /// room.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<C>> {
        match Pin::new(&mut self.waiting).poll_next(cx) {
            Poll::Ready(Some((id, outcome))) => {
                self.handles.remove(&id);
                Poll::Ready(outcome)
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<C> Default for Silent<C> {
    fn default() -> Self {
        Self {
            waiting: FuturesUnordered::new(),
            handles: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<C> fmt::Debug for Silent<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silent")
            .field("waiting", &self.waiting.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_longest_silent_makes_room() {
        let mut silent = Silent::default();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..MOST {
            silent.push(pending::<Option<u32>>());
        }
        assert!(silent.poll_next(&mut cx).is_pending());
        silent.push(ready(Some(7)));
        let mut outcomes = [silent.poll_next(&mut cx), silent.poll_next(&mut cx)];
        outcomes.sort_by_key(|outcome| matches!(outcome, Poll::Ready(Some(_))));
        assert_eq!(outcomes, [Poll::Ready(None), Poll::Ready(Some(7))]);
        assert!(silent.poll_next(&mut cx).is_pending());
        assert_eq!(silent.handles.len(), MOST - 1);
    }
}
