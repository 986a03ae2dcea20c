//! The body of the target `settings`: the configuration loader of `oap-host`.

use oap_host::config::{Loader, keys};

/// A configuration file with any text in it: what is loaded makes a configuration of the core and
/// has a text for each key; what is not is told in short lines that no terminal trips over.
///
/// # Panics
/// If that does not hold.
pub fn settings(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    match Loader::server().text("fuzz.toml", text).load() {
        Ok(settings) => {
            let _ = (settings.core_config(), settings.server_options());
            assert_eq!(settings.to_string().lines().count(), keys().len());
            assert!(keys().iter().all(|key| settings.text(key.name()).is_some()));
        }
        Err(faults) => {
            assert!(!faults.as_slice().is_empty());
            for fault in faults {
                let told = fault.to_string();
                assert!(!told.chars().any(char::is_control), "{told:?}");
                assert!(told.chars().count() < 700, "{told}");
            }
        }
    }
}
