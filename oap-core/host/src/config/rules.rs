//! Rules that concern several keys, this build, or the file system.

use std::collections::BTreeSet;
use std::path::Path;

use super::fault::Fault;
use super::keys::{self, Key, find};
use super::kind::{Kind, PathOf};
use super::load::{Merged, Role};
use super::values::{Backend, TrustStore};

/// The faults of values that are good each for itself. A rule is left out where a key that it
/// needs has a fault of its own.
pub(super) fn check(
    merged: &Merged,
    role: Role,
    brings_certificate: bool,
    so_far: &[Fault],
) -> Vec<Fault> {
    let mut checker = Checker {
        merged,
        role,
        brings_certificate,
        faulty: so_far.iter().filter_map(Fault::key).collect(),
        faults: Vec::new(),
    };
    checker.backend();
    checker.limits();
    checker.tls_client();
    checker.pairs();
    checker.others();
    checker.files();
    checker.faults
}

struct Checker<'a> {
    merged: &'a Merged,
    role: Role,
    brings_certificate: bool,
    faulty: BTreeSet<&'a str>,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn backend(&mut self) {
        let values = &self.merged.values;
        let backend = values.backend;
        if !self.are_sound(&["backend"]) {
            return;
        }
        if !is_built_in(backend) {
            let rule = format!("this build has no {}", backend.as_str());
            return self.fault("backend", rule);
        }
        let needed: &[(&'static str, bool)] = match backend {
            Backend::Tls | Backend::Quic if self.needs_certificate() => &[
                ("tls.cert_path", values.tls.cert_path.is_some()),
                ("tls.key_path", values.tls.key_path.is_some()),
            ],
            Backend::Uds => &[("uds.path", values.uds.path.is_some())],
            _ => &[],
        };
        for (name, is_set) in needed {
            if !is_set && self.are_sound(&[name]) {
                self.fault(name, format!("backend {} needs it", backend.as_str()));
            }
        }
    }

    fn limits(&mut self) {
        let limits = &self.merged.values.limits;
        let frame = limits.max_frame_bytes;
        if self.are_sound(&["limits.chunk_bytes", "limits.max_frame_bytes"])
            && limits.chunk_bytes > frame
        {
            let rule = format!(
                "must be at most limits.max_frame_bytes = {}",
                self.text("limits.max_frame_bytes")
            );
            self.fault("limits.chunk_bytes", rule);
        }
        let names = [
            "limits.ack_window_bytes",
            "limits.max_inflight",
            "limits.max_frame_bytes",
        ];
        if self.are_sound(&names)
            && limits.ack_window_bytes * u64::from(limits.max_inflight) > 8 * frame
        {
            let rule = format!(
                "times limits.max_inflight = {} must be at most 8 x limits.max_frame_bytes = {}",
                self.text("limits.max_inflight"),
                self.text("limits.max_frame_bytes")
            );
            self.fault("limits.ack_window_bytes", rule);
        }
    }

    fn tls_client(&mut self) {
        let client = &self.merged.values.tls_client;
        let (store, bundle) = (client.trust_store, client.ca_bundle_path.is_some());
        let key = "tls_client.ca_bundle_path";
        if self.are_sound(&["tls_client.trust_store", key]) {
            match (store, bundle) {
                (TrustStore::Path, false) => {
                    self.fault(key, "tls_client.trust_store = path needs it");
                }
                (TrustStore::System, true) => {
                    self.fault(key, "needs tls_client.trust_store = path");
                }
                _ => {}
            }
        }
    }

    /// A certificate and its key go together.
    fn pairs(&mut self) {
        let values = &self.merged.values;
        let (server, client) = (&values.tls, &values.tls_client);
        let is_told = self.needs_certificate()
            && matches!(values.backend, Backend::Tls | Backend::Quic)
            && self.are_sound(&["backend"]);
        if !is_told && self.role == Role::Server {
            let paths = [server.cert_path.is_some(), server.key_path.is_some()];
            self.pair(["tls.cert_path", "tls.key_path"], paths);
        }
        let paths = [client.cert_path.is_some(), client.key_path.is_some()];
        self.pair(["tls_client.cert_path", "tls_client.key_path"], paths);
    }

    fn pair(&mut self, [cert, key]: [&'static str; 2], are_set: [bool; 2]) {
        if !self.are_sound(&[cert, key]) {
            return;
        }
        match are_set {
            [true, false] => self.fault(key, format!("{cert} needs it")),
            [false, true] => self.fault(cert, format!("{key} needs it")),
            _ => {}
        }
    }

    fn others(&mut self) {
        let values = &self.merged.values;
        if self.are_sound(&["uds.path", "bind_addr"])
            && values.uds.path.is_some()
            && !self.merged.is_default("bind_addr")
        {
            self.fault("bind_addr", "must not be set together with uds.path");
        }
        if self.are_sound(&["amnesia", "tor.state_dir"])
            && values.amnesia
            && values.tor.state_dir.is_some()
        {
            let rule = "must be empty with amnesia = true, which writes nothing to disk";
            self.fault("tor.state_dir", rule);
        }
    }

    /// Files that are named must be there, and secrets must be secret.
    fn files(&mut self) {
        let mut faults = Vec::new();
        for key in keys::keys() {
            let Kind::Path { of, place } = key.kind else {
                continue;
            };
            // A client that shares a server's file need not be able to read the server's key.
            let is_anothers = self.role == Role::Client && key.name().starts_with("tls.");
            if is_anothers || !self.are_sound(&[key.name()]) {
                continue;
            }
            let mut values = self.merged.values.clone();
            let Some(path) = place(&mut values).take() else {
                continue;
            };
            if let Err(rule) = check_file(of, &path) {
                faults.push(self.fault_of(key, rule));
            }
        }
        self.faults.append(&mut faults);
    }

    fn needs_certificate(&self) -> bool {
        self.role == Role::Server && !self.brings_certificate
    }

    fn are_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| !self.faulty.contains(name))
    }

    fn text(&self, name: &str) -> String {
        find(name).map_or_else(String::new, |key| key.kind.write(&self.merged.values))
    }

    fn fault(&mut self, name: &str, rule: impl Into<String>) {
        if let Some(key) = find(name) {
            let fault = self.fault_of(key, rule);
            self.faults.push(fault);
        }
    }

    fn fault_of(&self, key: &Key, rule: impl Into<String>) -> Fault {
        let text = key.kind.write(&self.merged.values);
        Fault::of(key.name(), &text, &self.merged.origin(key.name()), rule)
    }
}

const fn is_built_in(backend: Backend) -> bool {
    match backend {
        Backend::Tcp => true,
        Backend::Tls => cfg!(feature = "tls"),
        Backend::Quic => cfg!(feature = "quic"),
        Backend::Uds => cfg!(unix),
        Backend::Tor => false,
    }
}

fn check_file(of: PathOf, path: &Path) -> Result<(), String> {
    if matches!(of, PathOf::Socket | PathOf::Directory) {
        return Ok(());
    }
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() {
        return Err("must be a regular file".to_owned());
    }
    std::fs::File::open(path).map_err(cannot)?;
    if of == PathOf::Secret {
        check_mode(&metadata)?;
    }
    Ok(())
}

#[cfg(unix)]
fn check_mode(metadata: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    const OTHERS: u32 = 0o077;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(format!(
        "mode {mode:04o}: must not be group- or world-accessible (chmod 600)"
    ))
}

#[cfg(not(unix))]
fn check_mode(_metadata: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}
