//! Serves the OAP/1 test applications, over TLS 1.3 unless it is told otherwise.

use std::process::ExitCode;

use transport_bench::{Backend, server_main};

fn main() -> ExitCode {
    server_main("tls_echo_server", Backend::Tls)
}
