//! Settings as a whole: layers, rules, reloads, and the documents made from the table.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::find;
use super::*;

mod documents;
mod layers;
mod properties;
mod reload;
mod rules;

/// A directory with files for every rule: `cert` and `key` of mode 0600, `open` of mode 0644.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for (name, mode) in [("cert", 0o600), ("key", 0o600), ("open", 0o644)] {
            fs::write(files.path(name), "some text").unwrap();
            set_mode(&files.path(name), mode);
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) {}

fn env(name: &str, value: &str) -> (OsString, OsString) {
    (name.into(), value.into())
}

fn faults(loader: &Loader) -> Vec<String> {
    let faults = loader.load().expect_err("a fault");
    let lines: Vec<String> = faults.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), faults.as_slice().len(), "a line each");
    lines
}

fn fault(loader: &Loader) -> String {
    let mut all = faults(loader);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}
