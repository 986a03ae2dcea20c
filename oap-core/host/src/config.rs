//! Settings from a file, the environment and flags.
//!
//! A [`Loader`] names the layers; flags win over the environment, the environment over the file, the
//! file over the defaults. What it loads is checked as a whole: [`Settings`] exist only where every
//! rule holds, and [`Faults`] name all values that break one. [`keys`] is the table of all that can
//! be set; `docs/configuration.md` shows it.
//!
//! A running server keeps [`Live`] settings, which a reload swaps atomically.

mod any;
mod convert;
mod document;
mod fault;
mod file;
#[cfg(feature = "flags")]
mod flags;
mod keys;
mod kind;
mod load;
mod reload;
mod rules;
mod target;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use oap_core::Limits;

pub use any::{AnyHandshake, AnyListener, AnyTransport, ListenerReloader, Local, SetupError};
pub use document::default_file;
pub use fault::{Fault, Faults, Origin};
#[cfg(feature = "flags")]
pub use flags::{flags, from_matches};
pub use keys::{Change, Key, keys};
pub use load::Loader;
pub use reload::{Live, NotReloaded, Reloaded};
pub use target::{Target, TargetError};
pub use values::{
    Alpn, AuthValues, Backend, LimitValues, LogFormat, LogLevel, LogValues, PerPeerValues, Pq,
    PqValues, QuicValues, RateValues, TcpValues, TlsClientValues, TlsValues, TorValues, TrustStore,
    UdsValues, Values,
};

/// Settings that satisfy every rule. [`Loader::load`] makes them; they do not change.
///
/// Every value is a field, by way of [`Values`]: `settings.limits.max_frame_bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    values: Values,
    origins: BTreeMap<&'static str, Origin>,
    core_limits: Limits,
}

impl Settings {
    /// Where the value of `key` came from; `None` if there is no such key.
    pub fn origin(&self, key: &str) -> Option<Origin> {
        let key = keys::find(key)?;
        Some(self.origins.get(key.name()).cloned().unwrap_or_default())
    }

    /// The value of `key` as text; `None` if there is no such key.
    pub fn text(&self, key: &str) -> Option<String> {
        Some(keys::find(key)?.kind.write(&self.values))
    }
}

impl Deref for Settings {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

/// A line for every key: name, value, origin.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in keys() {
            let text = key.kind.toml(&key.kind.write(&self.values));
            let origin = self.origins.get(key.name()).unwrap_or(&Origin::Default);
            writeln!(f, "{} = {text} # {origin}", key.name())?;
        }
        Ok(())
    }
}
