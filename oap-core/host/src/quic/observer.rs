//! What s2n-quic's events tell that its connections do not.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use oap_core::driver::{ConnectionInfo, HandshakeError, PeerKey};
use s2n_quic::connection::Error;
use s2n_quic::provider::event::{self, ConnectionMeta, Subscriber, events};

use super::NAME;
use super::error::refusal;
use crate::tls::TlsReloader;

/// Failed handshakes that may wait to be told; the rest is not told.
const FAILURES: usize = 64;

/// The end of a connection, as its endpoint sees it.
#[derive(Debug, Default)]
pub(super) struct Link {
    end: OnceLock<Error>,
    waker: AtomicWaker,
}

impl Link {
    /// How the connection has ended, once it has.
    pub(super) fn end(&self) -> Option<&Error> {
        self.end.get()
    }

    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        match self.end() {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    fn closed(&self, error: Error) {
        let _ = self.end.set(error);
        self.waker.wake();
    }
}

/// The connections that an endpoint still has something to do for, the closing of them included.
#[derive(Debug, Default)]
pub(super) struct Living {
    count: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Living {
    /// Ready while there are none.
    pub(super) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if self.count.load(Ordering::Acquire) == 0 {
            return Poll::Ready(());
        }
        waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the living.
#[derive(Debug)]
struct Life(Arc<Living>);

impl Life {
    fn begin(living: &Arc<Living>) -> Self {
        living.count.fetch_add(1, Ordering::Relaxed);
        Self(living.clone())
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waiting = std::mem::take(&mut *waiting);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// What is seen of one connection, for as long as its endpoint has it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) link: Arc<Link>,
    pub(super) group: Option<String>,
    pub(super) cipher: Option<events::CipherSuite>,
    pub(super) certificates: Vec<Vec<u8>>,
    peer: Option<SocketAddr>,
    established: bool,
    _life: Life,
}

/// A failed handshake, and whose it was.
pub(super) type Failure = (Option<PeerKey>, HandshakeError);

/// Handshakes that failed at a listener, which s2n-quic accepts nothing for.
#[derive(Debug, Default)]
pub(super) struct Failures {
    queue: Mutex<VecDeque<Failure>>,
    waker: AtomicWaker,
}

impl Failures {
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Failure> {
        self.waker.register(cx.waker());
        match self.queue().pop_front() {
            Some(failure) => Poll::Ready(failure),
            None => Poll::Pending,
        }
    }

    fn push(&self, failure: Failure) {
        let mut queue = self.queue();
        if queue.len() < FAILURES {
            queue.push_back(failure);
            drop(queue);
            self.waker.wake();
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Failure>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Subscribes to the events of an endpoint.
#[derive(Default)]
pub(super) struct Observer {
    pub(super) living: Arc<Living>,
    /// A listener's; a client's handshakes tell their failures themselves.
    pub(super) listener: Option<(Arc<Failures>, TlsReloader)>,
}

impl Subscriber for Observer {
    type ConnectionContext = Seen;

    fn create_connection_context(
        &mut self,
        _meta: &ConnectionMeta,
        _info: &event::ConnectionInfo<'_>,
    ) -> Seen {
        Seen {
            link: Arc::default(),
            group: None,
            cipher: None,
            certificates: Vec::new(),
            peer: None,
            established: false,
            _life: Life::begin(&self.living),
        }
    }

    fn on_connection_started(
        &mut self,
        seen: &mut Seen,
        _meta: &ConnectionMeta,
        event: &events::ConnectionStarted<'_>,
    ) {
        seen.peer = socket_address(&event.path.remote_addr);
    }

    fn on_key_exchange_group(
        &mut self,
        seen: &mut Seen,
        _meta: &ConnectionMeta,
        event: &events::KeyExchangeGroup<'_>,
    ) {
        seen.group = Some(event.chosen_group_name.to_owned());
    }

    fn on_tls_exporter_ready(
        &mut self,
        seen: &mut Seen,
        _meta: &ConnectionMeta,
        event: &events::TlsExporterReady<'_>,
    ) {
        seen.cipher = Some(event.session.cipher_suite());
        seen.certificates = event.session.peer_cert_chain_der().unwrap_or_default();
    }

    fn on_handshake_status_updated(
        &mut self,
        seen: &mut Seen,
        _meta: &ConnectionMeta,
        event: &events::HandshakeStatusUpdated,
    ) {
        seen.established |= matches!(event.status, events::HandshakeStatus::Complete { .. });
    }

    fn on_connection_closed(
        &mut self,
        seen: &mut Seen,
        _meta: &ConnectionMeta,
        event: &events::ConnectionClosed,
    ) {
        seen.link.closed(event.error);
        if let Some((failures, tls)) = &self.listener
            && !seen.established
        {
            let mut info = ConnectionInfo::new(NAME);
            info.peer = seen.peer;
            let failure = refusal(&event.error, tls.current().rules());
            failures.push((info.peer_key(), failure));
        }
    }
}

fn socket_address(address: &events::SocketAddress<'_>) -> Option<SocketAddr> {
    match address {
        events::SocketAddress::IpV4 { ip, port, .. } => Some((IpAddr::from(**ip), *port).into()),
        events::SocketAddress::IpV6 { ip, port, .. } => Some((IpAddr::from(**ip), *port).into()),
        _ => None,
    }
}
