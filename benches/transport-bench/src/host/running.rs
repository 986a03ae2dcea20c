//! A server from its start to its end: reloads, drain, abort.

use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use oap_core::driver::Runtime;
use oap_tokio::config::{Live, Loader, NotReloaded, Reloaded};
use oap_tokio::{Readiness, Server, ServerStats, TlsReloader};

use super::identity::Identity;
use crate::ops::{Logs, Signal};
use crate::process_time;

/// How long the listener may take to go once the server has stopped.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// What is wrong with a server whose last reload was refused.
const REFUSED: &str = "reload_failed";

/// What happens to a running server.
pub(super) enum Event {
    Signal(Signal),
    /// Connections have finished, or were cut off when their time was over.
    Drained {
        drained: usize,
        aborted: usize,
    },
    /// So many were cut off because somebody would not wait.
    Aborted(usize),
}

/// A server that serves.
pub(super) struct Running<R> {
    pub(super) server: Server,
    pub(super) runtime: R,
    pub(super) live: Live,
    pub(super) loader: Loader,
    pub(super) identity: Identity,
    pub(super) tls: Option<TlsReloader>,
    pub(super) logs: Logs,
    pub(super) readiness: Readiness,
    pub(super) events_to: mpsc::Sender<Event>,
}

/// What a server did.
pub(super) struct Totals {
    stats: ServerStats,
    drained: usize,
    aborted: usize,
}

impl<R: Runtime> Running<R> {
    /// Follows signals until the server has stopped.
    pub(super) fn until_stopped(self, events: &mpsc::Receiver<Event>) -> Totals {
        let mut stats = None;
        let mut aborting = false;
        // It holds a sender itself.
        while let Ok(event) = events.recv() {
            match (event, stats) {
                (Event::Signal(Signal::Reload), None) => self.reload(),
                (Event::Signal(Signal::Reload), Some(_)) => {
                    tracing::warn!("not reloaded: the server is stopping");
                }
                (Event::Signal(Signal::Stop), None) => {
                    stats = Some(self.server.stats());
                    self.drain();
                }
                (Event::Signal(Signal::Stop), Some(_)) if !aborting => {
                    aborting = true;
                    self.abort();
                }
                (Event::Drained { drained, aborted }, Some(stats)) if !aborting => {
                    return Totals {
                        stats,
                        drained,
                        aborted,
                    };
                }
                (Event::Aborted(aborted), Some(stats)) => {
                    return Totals {
                        drained: stats.connections.saturating_sub(aborted),
                        stats,
                        aborted,
                    };
                }
                _ => {}
            }
        }
        unreachable!("a channel whose sender we hold")
    }

    fn reload(&self) {
        let swap = |new: &Reloaded| {
            let tls = self.identity.server_config(&new.settings);
            let tls = tls.map_err(|error| error.to_string())?;
            if let Some((reloader, tls)) = self.tls.as_ref().zip(tls) {
                reloader.replace(tls);
            }
            Ok(())
        };
        match self.live.reload_with(&self.loader, swap) {
            Ok(new) => {
                let settings = &new.settings;
                self.server
                    .reload(settings.core_config(), settings.server_options());
                self.logs.set_level(settings.log.level);
                self.readiness.recover();
                tracing::info!(changed = new.changed.join(","), "reloaded");
            }
            Err(error) => {
                self.readiness.degrade(REFUSED);
                tell(&error);
            }
        }
    }

    fn drain(&self) {
        self.readiness.drain();
        let (server, runtime) = (self.server.clone(), self.runtime.clone());
        let (time, done) = (self.live.current().drain_timeout, self.events_to.clone());
        tracing::info!(connections = server.stats().connections, "draining");
        self.runtime.spawn(async move {
            let report = server.drain(&runtime, time).await;
            let _ = done.send(Event::Drained {
                drained: report.drained,
                aborted: report.aborted,
            });
        });
    }

    fn abort(&self) {
        let (server, runtime) = (self.server.clone(), self.runtime.clone());
        let done = self.events_to.clone();
        tracing::warn!("stopping at once");
        self.runtime.spawn(async move {
            let aborted = server.abort(&runtime).await;
            let _ = done.send(Event::Aborted(aborted));
        });
    }
}

/// An event for each fault.
fn tell(error: &NotReloaded) {
    tracing::error!("not reloaded, the last good settings stay in force");
    match error {
        NotReloaded::Faults(faults) => {
            for fault in faults.as_slice() {
                tracing::error!("{fault}");
            }
        }
        NotReloaded::NotApplied(reason) => tracing::error!("{reason}"),
        other => tracing::error!("{other}"),
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = process_time().unwrap_or_default().as_secs_f64();
        write!(
            f,
            "{} connections accepted, {} handshakes failed, {} drained, {} cut off, CPU {cpu:.2} s",
            self.stats.accepted, self.stats.handshakes_failed, self.drained, self.aborted
        )
    }
}
