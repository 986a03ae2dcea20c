//! Settings of a running program.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::fault::{Fault, Faults};
use super::keys::{Change, Key, keys};
use super::{Loader, Settings};

/// What a reload comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// The settings in force from now on, for new connections.
    pub settings: Settings,
    /// The keys whose values are others than before. The files that `tls.*` name may hold something
    /// else though no key has changed.
    pub changed: Vec<&'static str>,
}

impl Settings {
    /// What comes of taking `new` instead of these while the program runs.
    ///
    /// # Errors
    /// A fault for every key that may not change like this; see [`Key::change`].
    pub fn reload(&self, new: Self) -> Result<Reloaded, Faults> {
        let mut changed = Vec::new();
        let mut faults = Vec::new();
        for key in keys() {
            let (old, text) = (key.kind.write(self), key.kind.write(&new));
            if old == text {
                continue;
            }
            changed.push(key.name());
            if let Some(rule) = refusal(key, self, &new, &old) {
                let origin = new.origin(key.name()).unwrap_or_default();
                faults.push(Fault::of(key.name(), &text, &origin, rule));
            }
        }
        Faults::none_or(
            faults,
            Reloaded {
                settings: new,
                changed,
            },
        )
    }
}

fn refusal(key: &Key, old: &Settings, new: &Settings, text: &str) -> Option<String> {
    match key.change() {
        Change::Reload => None,
        Change::Downwards if key.kind.limit(new) <= key.kind.limit(old) => None,
        Change::Downwards => {
            let rule =
                format!("must not be above \"{text}\", which it is now: raising needs a restart");
            Some(rule)
        }
        Change::Restart => Some(format!(
            "must stay \"{text}\", which it is now: changing needs a restart"
        )),
    }
}

/// The settings in force, shared by all clones. A reload swaps them atomically, or not at all.
#[derive(Clone, Debug)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: RwLock<Arc<Settings>>,
    /// One reload at a time: each compares with what is in force when it swaps.
    reload: Mutex<()>,
}

impl Live {
    /// Puts `settings` in force.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared {
            current: RwLock::new(Arc::new(settings)),
            reload: Mutex::new(()),
        }))
    }

    /// The settings in force. It waits for nothing but the swap itself.
    pub fn current(&self) -> Arc<Settings> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads anew, the file above all, and puts in force what comes of it, for new connections.
    /// It reads files: call it where that may block.
    ///
    /// # Errors
    /// [`NotReloaded`], and the settings in force stay: `loader` found a fault, or a key may not
    /// change while the program runs.
    pub fn reload(&self, loader: &Loader) -> Result<Reloaded, NotReloaded> {
        self.reload_with(loader, |_| Ok(()))
    }

    /// As [`Live::reload`], but what comes of it is in force only if `apply`, which makes and swaps
    /// TLS configurations say, succeeds with it.
    ///
    /// # Errors
    /// [`NotReloaded`], and the settings in force stay.
    pub fn reload_with(
        &self,
        loader: &Loader,
        apply: impl FnOnce(&Reloaded) -> Result<(), String>,
    ) -> Result<Reloaded, NotReloaded> {
        let _one = self.0.reload.lock().unwrap_or_else(PoisonError::into_inner);
        let new = loader.load().map_err(NotReloaded::Faults)?;
        let reloaded = self.current().reload(new).map_err(NotReloaded::Faults)?;
        apply(&reloaded).map_err(NotReloaded::NotApplied)?;
        let settings = Arc::new(reloaded.settings.clone());
        *self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(reloaded)
    }
}

/// Why the settings in force stay what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReloaded {
    /// The new settings have faults.
    Faults(Faults),
    /// They could not be applied: why, in one line.
    NotApplied(String),
}

impl fmt::Display for NotReloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not reloaded, the last good settings stay in force:")?;
        match self {
            Self::Faults(faults) => write!(f, "\n{faults}"),
            Self::NotApplied(reason) => write!(f, " {reason}"),
        }
    }
}

impl std::error::Error for NotReloaded {}
