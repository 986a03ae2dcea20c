//! The keys as flags of a clap command.

use clap::{Arg, ArgMatches, Command};

use super::keys::keys;

/// Adds a flag for every key to `command`, named as the key: `--limits.max_frame_bytes 64KiB`.
///
/// ```
/// use oap_host::config::{Loader, flags, from_matches};
///
/// let command = flags(clap::Command::new("server"));
/// let matches = command.get_matches_from(["server", "--max_conns", "10"]);
/// let settings = Loader::server().flags(from_matches(&matches)).load()?;
/// assert_eq!(settings.max_conns, 10);
/// # Ok::<(), oap_host::config::Faults>(())
/// ```
#[must_use]
pub fn flags(command: Command) -> Command {
    command.args(keys().iter().map(|key| {
        let mut help = format!("{} Must be {}", key.doc(), key.rule());
        if !key.default_text().is_empty() {
            help.push_str(&format!(" [default: {}]", key.default_text()));
        }
        Arg::new(key.name())
            .long(key.name())
            .value_name(key.kind())
            .help(help)
            .help_heading("Settings")
            // A value such as -1 gets its key's message and not clap's.
            .allow_hyphen_values(true)
    }))
}

/// The flags of [`flags`] that were given, for [`Loader::flags`](super::Loader::flags).
pub fn from_matches(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    keys()
        .iter()
        .filter_map(|key| {
            let value = matches.get_one::<String>(key.name())?;
            Some((key.name(), value.clone()))
        })
        .collect()
}
