//! Waiting for an instant more exactly than tokio's timers, which round up to a millisecond: at
//! thousands of requests per second that would send them in bursts and count in their latency.

use std::io;
use std::time::Instant;

#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// Waits for instants, one at a time.
#[cfg(target_os = "linux")]
pub(super) struct Alarm(AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Alarm {
    /// Call it inside a tokio runtime.
    #[allow(
        deprecated,
        reason = "the safe constructor is unsound only for types that give away or close their \
                  descriptor, which OwnedFd does not; its successor is an unsafe function"
    )]
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::new(timer)?))
    }

    /// Waits until `at`; an instant that has passed costs nothing.
    pub(super) async fn wait_until(&mut self, at: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec::try_from(left).map_err(io::Error::other)?,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            // Setting it again takes the expiration back, so nothing need be read.
            self.0.readable().await?.clear_ready();
        }
    }
}

/// Waits for instants, one at a time.
#[cfg(not(target_os = "linux"))]
pub(super) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Call it inside a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until `at`, to the millisecond.
    pub(super) async fn wait_until(&mut self, at: Instant) -> io::Result<()> {
        tokio::time::sleep_until(at.into()).await;
        Ok(())
    }
}
