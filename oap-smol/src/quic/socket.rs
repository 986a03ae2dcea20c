//! A UDP socket of async-io that carries s2n-quic's packets, offloads of the kernel (GSO, GRO)
//! included.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Async;
use oap_core::driver::Runtime;
use oap_host::quic::QuicOptions;
use s2n_quic::provider::io::Provider;
use s2n_quic_core::endpoint::Endpoint;
use s2n_quic_core::inet::SocketAddress;
use s2n_quic_core::io::event_loop::EventLoop;
use s2n_quic_core::path::{MaxMtu, mtu};
use s2n_quic_core::task::cooldown::Cooldown;
use s2n_quic_core::time::clock::{ClockWithTimer, StdClock, Timer};
use s2n_quic_core::time::{Clock, Timestamp};
use s2n_quic_platform::features::{Gso, gso::MaxSegments};
use s2n_quic_platform::message::default::{Handle, Message};
use s2n_quic_platform::socket::{io as queue, ring, stats, task};
use s2n_quic_platform::syscall::{self, SocketType, UnixMessage};

use crate::SmolRuntime;

/// Bytes that may wait between the socket and the endpoint, as s2n-quic's own provider has it.
const RECV_QUEUE: u32 = 8 * 1024 * 1024;
const SEND_QUEUE: u32 = 128 * 1024;

/// A bound socket whose packets are moved by tasks of `runtime`.
pub(super) struct Socket {
    pub(super) runtime: SmolRuntime,
    pub(super) socket: UdpSocket,
    pub(super) send_buffer: Option<usize>,
    pub(super) recv_buffer: Option<usize>,
}

impl Socket {
    pub(super) fn new(runtime: &SmolRuntime, socket: UdpSocket, options: &QuicOptions) -> Self {
        Self {
            runtime: runtime.clone(),
            socket,
            send_buffer: options.socket_send_buffer,
            recv_buffer: options.socket_recv_buffer,
        }
    }
}

impl Provider for Socket {
    type PathHandle = Handle;
    type Error = io::Error;

    fn start<E: Endpoint<PathHandle = Handle>>(self, mut endpoint: E) -> io::Result<SocketAddress> {
        let local = SocketAddress::from(self.socket.local_addr()?);
        let socket = socket2::Socket::from(self.socket);
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        // Packets must not be fragmented on their way: larger ones are tried only where that holds.
        let mtu = if syscall::configure_mtu_disc(&socket) {
            mtu::Config::default()
        } else {
            mtu::Config::MIN
        };
        let gro = syscall::configure_gro(&socket);
        syscall::configure_pktinfo(&socket);
        syscall::configure_tos(&socket);
        socket.set_nonblocking(true)?;
        let socket = Packets(Arc::new(Async::new_nonblocking(socket.into())?));

        let (counted, counts) = stats::channel();
        let largest = if gro { u16::MAX } else { mtu.max_mtu().into() };
        let (producer, consumer) = ring::pair(entries(RECV_QUEUE, largest.into()), largest.into());
        let max_mtu = MaxMtu::try_from(largest).map_err(io::Error::other)?;
        let rx = queue::rx::Rx::new(vec![consumer], max_mtu, local.into());
        let receiver = task::Receiver::new(
            producer,
            socket.clone(),
            None,
            Cooldown::default(),
            counted.clone(),
        );

        let gso = Gso::from(MaxSegments::default());
        let segments = u32::try_from(gso.max_segments()).unwrap_or(1);
        let packet = u32::from(u16::from(mtu.max_mtu()));
        let largest = (packet * segments).min(u16::MAX.into());
        let (producer, consumer) = ring::pair(entries(SEND_QUEUE, largest), largest);
        let tx = queue::tx::Tx::new(vec![producer], gso.clone(), mtu.max_mtu());
        let sender = task::Sender::new(consumer, socket, gso, Cooldown::default(), counted);

        endpoint.set_mtu_config(mtu);
        let events = EventLoop {
            endpoint,
            clock: Time::default(),
            rx,
            tx,
            cooldown: Cooldown::default(),
            stats: counts,
        };
        // Each ends when the endpoint does. A socket that fails ends its queue, and so the endpoint.
        self.runtime.spawn(async move {
            receiver.await;
        });
        self.runtime.spawn(async move {
            sender.await;
        });
        self.runtime.spawn(events.start(local));
        Ok(local)
    }
}

/// Messages of `len` bytes that a queue of `bytes` holds; a ring's number is a power of two.
fn entries(bytes: u32, len: u32) -> u32 {
    (bytes / len).next_power_of_two()
}

/// The socket, for one task that receives and one that sends.
#[derive(Clone)]
struct Packets(Arc<Async<UdpSocket>>);

impl task::rx::Socket<Message> for Packets {
    type Error = io::Error;

    fn recv(
        &mut self,
        cx: &mut Context<'_>,
        entries: &mut [Message],
        events: &mut task::rx::Events,
        stats: &stats::Sender,
    ) -> io::Result<()> {
        let socket = self.0.as_raw_fd();
        Message::recv(socket, SocketType::NonBlocking, entries, events, stats);
        if events.is_blocked()
            && let Poll::Ready(readable) = self.0.poll_readable(cx)
        {
            readable?;
            events.take_blocked();
        }
        Ok(())
    }
}

impl task::tx::Socket<Message> for Packets {
    type Error = io::Error;

    fn send(
        &mut self,
        cx: &mut Context<'_>,
        entries: &mut [Message],
        events: &mut task::tx::Events,
        stats: &stats::Sender,
    ) -> io::Result<()> {
        Message::send(self.0.as_raw_fd(), entries, events, stats);
        if events.is_blocked()
            && let Poll::Ready(writable) = self.0.poll_writable(cx)
        {
            writable?;
            events.take_blocked();
        }
        Ok(())
    }
}

/// The endpoint's clock.
#[derive(Clone, Copy, Default)]
struct Time(StdClock);

impl Clock for Time {
    fn get_time(&self) -> Timestamp {
        self.0.get_time()
    }
}

impl ClockWithTimer for Time {
    type Timer = Alarm;

    fn timer(&self) -> Alarm {
        Alarm {
            clock: *self,
            timer: async_io::Timer::never(),
            armed: None,
            target: None,
        }
    }
}

/// One alarm. The endpoint moves it later with almost every packet, which costs nothing: the timer
/// armed for the earlier time stays and is armed again when it fires.
struct Alarm {
    clock: Time,
    timer: async_io::Timer,
    armed: Option<Timestamp>,
    target: Option<Timestamp>,
}

impl Alarm {
    fn arm(&mut self, at: Timestamp) {
        let wait = at.saturating_duration_since(self.clock.get_time());
        self.timer.set_at(Instant::now() + wait);
        self.armed = Some(at);
    }
}

impl Timer for Alarm {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(target) = self.target else {
            return Poll::Pending;
        };
        while Pin::new(&mut self.timer).poll(cx).is_ready() {
            self.armed = None;
            if target.has_elapsed(self.clock.get_time()) {
                self.target = None;
                return Poll::Ready(());
            }
            self.arm(target);
        }
        Poll::Pending
    }

    fn update(&mut self, target: Timestamp) {
        self.target = Some(target);
        if self.armed.is_none_or(|armed| target < armed) {
            self.arm(target);
        }
    }
}
