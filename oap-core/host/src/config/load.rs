//! The layers: defaults, file, environment, flags; each wins over the one before it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use oap_core::{LimitError, Limits};

use super::Settings;
use super::fault::{Fault, Faults, Origin};
use super::file;
use super::keys::{ENV_PREFIX, Key, defaults, find, keys};
use super::rules;
use super::values::{LimitValues, Values};

/// What a program does with its settings: some rules are for servers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

/// Names the places that settings come from, and reads them.
///
/// It can be kept to read the file again at a reload; environment and flags stay as they were.
///
/// ```
/// use oap_host::config::Loader;
///
/// let settings = Loader::server()
///     .text("example.toml", "max_conns = 100\n[limits]\nmax_inflight = 16")
///     .flag("max_conns", "200")
///     .load()?;
/// assert_eq!(settings.max_conns, 200);
/// assert_eq!(settings.limits.max_inflight, 16);
///
/// let faults = Loader::server().flag("limits.max_frame_bytes", "2MB").load().unwrap_err();
/// assert_eq!(
///     faults.to_string(),
///     "limits.max_frame_bytes = \"2MB\" (--limits.max_frame_bytes): \
///      must be a size in B, KiB or MiB, 64KiB to 1MiB"
/// );
/// # Ok::<(), oap_host::config::Faults>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader {
    role: Role,
    brings_certificate: bool,
    presets: Vec<(String, String)>,
    file: Option<Source>,
    env: Vec<Variable>,
    flags: Vec<(String, String)>,
}

#[derive(Clone)]
enum Source {
    Path(PathBuf),
    Text(PathBuf, String),
}

// Of the text nothing is shown: who knows what somebody put there.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Path(path) | Self::Text(path, _)) = self;
        path.fmt(f)
    }
}

/// An environment variable that begins with our prefix.
#[derive(Clone, Debug)]
enum Variable {
    Known(&'static Key, OsString),
    /// Its value is dropped: it may be anything, a secret too.
    Unknown(String),
}

impl Loader {
    /// Settings of a program that serves, whether or not it is a client as well.
    pub const fn server() -> Self {
        Self::new(Role::Server)
    }

    /// Settings of a program that is a client only: backends `tls` and `quic` need no certificate,
    /// and the files of `tls.*` are not looked at.
    pub const fn client() -> Self {
        Self::new(Role::Client)
    }

    const fn new(role: Role) -> Self {
        Self {
            role,
            brings_certificate: false,
            presets: Vec::new(),
            file: None,
            env: Vec::new(),
            flags: Vec::new(),
        }
    }

    /// Gives `key` another default, which every layer wins over: what this program is for, say.
    pub fn preset(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.presets.push((key.into(), value.into()));
        self
    }

    /// The program can bring the server's certificate itself: backends `tls` and `quic` do not need
    /// `tls.cert_path`.
    pub const fn brings_certificate(mut self) -> Self {
        self.brings_certificate = true;
        self
    }

    /// Reads the TOML file at `path`, which must exist.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(Source::Path(path.into()));
        self
    }

    /// Takes `text` for what a file says; faults call it `name`.
    pub fn text(mut self, name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.file = Some(Source::Text(name.into(), text.into()));
        self
    }

    /// Takes those variables whose names begin with `OAP_`: [`std::env::vars_os`], as a rule.
    pub fn env(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        for (name, value) in variables {
            let name = name.to_string_lossy();
            if name.starts_with(ENV_PREFIX) {
                let key = keys().iter().find(|key| key.env() == name);
                self.env.push(match key {
                    Some(key) => Variable::Known(key, value),
                    None => Variable::Unknown(name.into_owned()),
                });
            }
        }
        self
    }

    /// Sets one key, as a flag does.
    pub fn flag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, mut value) = (key.into(), value.into());
        if find(&key).is_none() {
            // As with variables.
            value.clear();
        }
        self.flags.push((key, value));
        self
    }

    /// Sets keys, as flags do: those of `from_matches` (feature `flags`), as a rule.
    pub fn flags<K, V>(self, flags: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let flags = flags.into_iter();
        flags.fold(self, |loader, (key, value)| loader.flag(key, value))
    }

    /// Reads all of it and checks it as a whole.
    ///
    /// # Errors
    /// Every fault there is, also of a value that another layer would override.
    pub fn load(&self) -> Result<Settings, Faults> {
        let mut merged = Merged::new();
        let mut faults = Vec::new();
        self.read_presets(&mut merged, &mut faults);
        let is_whole = self.read_file(&mut merged, &mut faults);
        self.read_env(&mut merged, &mut faults);
        self.read_flags(&mut merged, &mut faults);
        // What a file that cannot be read would have said is anybody's guess.
        if is_whole {
            let mut further = rules::check(&merged, self.role, self.brings_certificate, &faults);
            faults.append(&mut further);
        }
        let limits = core_limits(&merged.values.limits);
        if let (Err(error), true) = (&limits, faults.is_empty()) {
            faults.push(Fault::place(Origin::Default, format!("limits: {error}")));
        }
        let settings = Settings {
            values: merged.values,
            origins: merged.origins,
            core_limits: limits.unwrap_or_default(),
        };
        Faults::none_or(faults, settings)
    }

    fn read_presets(&self, merged: &mut Merged, faults: &mut Vec<Fault>) {
        for (name, text) in &self.presets {
            match find(name) {
                Some(key) if key.kind.read(text, &mut merged.values) => {}
                Some(key) => {
                    faults.push(Fault::of(key.name(), text, &Origin::Default, must_be(key)));
                }
                None => faults.push(Fault::unknown(name, Origin::Default)),
            }
        }
    }

    /// False if there is a file that says nothing for its own faults.
    fn read_file(&self, merged: &mut Merged, faults: &mut Vec<Fault>) -> bool {
        let entries = match &self.file {
            None => return true,
            Some(Source::Path(path)) => file::read(path, faults),
            Some(Source::Text(name, text)) => file::parse(name, text, faults),
        };
        let Some(entries) = entries else { return false };
        for entry in entries {
            merged.set(entry.key, &entry.text, entry.origin, faults);
        }
        true
    }

    fn read_env(&self, merged: &mut Merged, faults: &mut Vec<Fault>) {
        for variable in &self.env {
            match variable {
                Variable::Unknown(name) => {
                    let origin = Origin::Env(name.clone());
                    faults.push(Fault::place(origin, "there is no such key"));
                }
                Variable::Known(key, value) => {
                    let origin = Origin::Env(key.env());
                    match value.to_str() {
                        Some(text) => merged.set(key, text, origin, faults),
                        None => {
                            let text = value.to_string_lossy();
                            faults.push(Fault::of(key.name(), &text, &origin, "must be UTF-8"));
                        }
                    }
                }
            }
        }
    }

    fn read_flags(&self, merged: &mut Merged, faults: &mut Vec<Fault>) {
        for (name, text) in &self.flags {
            let origin = Origin::Flag(name.clone());
            match find(name) {
                Some(key) => merged.set(key, text, origin, faults),
                None => faults.push(Fault::unknown(name, origin)),
            }
        }
    }
}

/// Values of all layers so far.
pub(super) struct Merged {
    pub(super) values: Values,
    origins: BTreeMap<&'static str, Origin>,
}

impl Merged {
    fn new() -> Self {
        Self {
            values: defaults(),
            origins: BTreeMap::new(),
        }
    }

    fn set(&mut self, key: &'static Key, text: &str, origin: Origin, faults: &mut Vec<Fault>) {
        if key.kind.read(text, &mut self.values) {
            self.origins.insert(key.name(), origin);
        } else {
            faults.push(Fault::of(key.name(), text, &origin, must_be(key)));
        }
    }

    pub(super) fn is_default(&self, name: &str) -> bool {
        !self.origins.contains_key(name)
    }

    pub(super) fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or_default()
    }
}

/// The rule that a text alone can break.
pub(super) fn must_be(key: &Key) -> String {
    format!("must be {}", key.kind.rule())
}

// The rules of the keys are the stricter ones, so this finds nothing that they do not.
fn core_limits(limits: &LimitValues) -> Result<Limits, LimitError> {
    let narrow = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    Limits::builder()
        .max_frame(narrow(limits.max_frame_bytes))
        .chunk(narrow(limits.chunk_bytes))
        .max_inflight(u16::try_from(limits.max_inflight).unwrap_or(u16::MAX))
        .ack_window(narrow(limits.ack_window_bytes))
        .build()
}
