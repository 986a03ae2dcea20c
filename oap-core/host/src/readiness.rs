//! Whether a server takes connections, for those who ask before they send some.
//!
//! The host tells what has come true and what is wrong; whoever serves `/readyz`, or a process
//! manager's protocol, shows [`Readiness::state`].

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has to be true before a server is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Condition {
    /// `listener_bound`: the listener has its address.
    ListenerBound,
    /// `tls_config_loaded`: certificate and key are loaded and fit together.
    TlsConfigLoaded,
    /// `tor_bootstrap`: Tor has come up.
    TorBootstrap,
}

impl Condition {
    /// Its key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListenerBound => "listener_bound",
            Self::TlsConfigLoaded => "tls_config_loaded",
            Self::TorBootstrap => "tor_bootstrap",
        }
    }
}

/// What a server is ready for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// It takes connections.
    Ready,
    /// It takes connections, and somebody should look after it.
    Degraded {
        /// What is wrong, in one word or line.
        reason: Cow<'static, str>,
    },
    /// It takes no connections: send them elsewhere.
    NotReady {
        /// The conditions that it waits for, or `draining`.
        reason: Cow<'static, str>,
    },
}

impl ReadyState {
    /// Whether connections should come.
    pub const fn is_ready(&self) -> bool {
        !matches!(self, Self::NotReady { .. })
    }

    /// One word: `ready`, `degraded`, `not_ready`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded { .. } => "degraded",
            Self::NotReady { .. } => "not_ready",
        }
    }

    /// Why it is not simply ready.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::Degraded { reason } | Self::NotReady { reason } => Some(reason),
        }
    }
}

/// `ready`, or `degraded: reason`.
impl fmt::Display for ReadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.reason()
            .map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// The readiness of one server, shared by all clones.
///
/// ```
/// use oap_host::readiness::{Condition, Readiness};
///
/// let readiness = Readiness::new([Condition::ListenerBound]);
/// assert_eq!(readiness.state().to_string(), "not_ready: listener_bound");
/// readiness.meet(Condition::ListenerBound);
/// assert!(readiness.state().is_ready());
/// readiness.drain();
/// assert_eq!(readiness.state().to_string(), "not_ready: draining");
/// ```
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Cell>>);

#[derive(Debug)]
struct Cell {
    conditions: Vec<(Condition, bool)>,
    trouble: Option<Cow<'static, str>>,
    draining: bool,
}

impl Readiness {
    /// Not ready until all `conditions` are met.
    pub fn new(conditions: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions: Vec<_> = conditions.into_iter().map(|key| (key, false)).collect();
        conditions.sort_unstable();
        conditions.dedup();
        Self(Arc::new(Mutex::new(Cell {
            conditions,
            trouble: None,
            draining: false,
        })))
    }

    /// What the server is ready for at present.
    pub fn state(&self) -> ReadyState {
        let cell = self.lock();
        let unmet = cell.conditions.iter().filter(|(_, is_met)| !is_met);
        let unmet: Vec<&str> = unmet.map(|(condition, _)| condition.name()).collect();
        if cell.draining {
            ReadyState::NotReady {
                reason: "draining".into(),
            }
        } else if !unmet.is_empty() {
            ReadyState::NotReady {
                reason: unmet.join(", ").into(),
            }
        } else if let Some(reason) = &cell.trouble {
            ReadyState::Degraded {
                reason: reason.clone(),
            }
        } else {
            ReadyState::Ready
        }
    }

    /// Every condition, and whether it is met.
    pub fn conditions(&self) -> Vec<(Condition, bool)> {
        self.lock().conditions.clone()
    }

    /// `condition` has come true. One that the server does not wait for is no matter.
    pub fn meet(&self, condition: Condition) {
        self.set(condition, true);
    }

    /// `condition` is true no more.
    pub fn lose(&self, condition: Condition) {
        self.set(condition, false);
    }

    /// Something is wrong that does not keep connections away; it replaces what was wrong before.
    pub fn degrade(&self, reason: impl Into<Cow<'static, str>>) {
        self.lock().trouble = Some(reason.into());
    }

    /// Nothing is wrong any more.
    pub fn recover(&self) {
        self.lock().trouble = None;
    }

    /// The server stops: from now on it is not ready, whatever else happens.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    fn set(&self, condition: Condition, is_met: bool) {
        let mut cell = self.lock();
        let entry = cell
            .conditions
            .iter_mut()
            .find(|(key, _)| *key == condition);
        if let Some(entry) = entry {
            entry.1 = is_met;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Condition::{ListenerBound, TlsConfigLoaded, TorBootstrap};

    #[test]
    fn it_is_ready_once_every_condition_is_met() {
        let readiness = Readiness::new([TorBootstrap, ListenerBound, TlsConfigLoaded]);
        let shown = || readiness.state().to_string();
        assert_eq!(
            shown(),
            "not_ready: listener_bound, tls_config_loaded, tor_bootstrap"
        );
        readiness.meet(TlsConfigLoaded);
        readiness.meet(ListenerBound);
        assert_eq!(shown(), "not_ready: tor_bootstrap");
        assert!(!readiness.state().is_ready());
        readiness.meet(TorBootstrap);
        assert_eq!(readiness.state(), ReadyState::Ready);
        readiness.lose(TorBootstrap);
        assert_eq!(shown(), "not_ready: tor_bootstrap");
        assert_eq!(
            readiness.conditions(),
            [
                (ListenerBound, true),
                (TlsConfigLoaded, true),
                (TorBootstrap, false)
            ]
        );
    }

    #[test]
    fn trouble_degrades_and_passes() {
        let readiness = Readiness::new([ListenerBound]);
        readiness.degrade("reload_failed");
        assert_eq!(readiness.state().to_string(), "not_ready: listener_bound");
        readiness.meet(ListenerBound);
        assert_eq!(readiness.state().to_string(), "degraded: reload_failed");
        assert!(readiness.state().is_ready());
        readiness.recover();
        assert_eq!(readiness.state(), ReadyState::Ready);
    }

    #[test]
    fn draining_is_final_and_seen_by_all_clones() {
        let readiness = Readiness::new([ListenerBound]);
        let other = readiness.clone();
        readiness.drain();
        other.meet(ListenerBound);
        other.recover();
        assert_eq!(other.state().reason(), Some("draining"));
        assert!(!readiness.state().is_ready());
    }

    #[test]
    fn a_condition_that_nobody_waits_for_is_no_matter() {
        let readiness = Readiness::new([ListenerBound, ListenerBound]);
        readiness.meet(TorBootstrap);
        readiness.meet(ListenerBound);
        assert_eq!(readiness.conditions(), [(ListenerBound, true)]);
    }
}
