//! Serves the OAP/1 test applications, over QUIC unless it is told otherwise.

use std::process::ExitCode;

use transport_bench::{Backend, server_main};

fn main() -> ExitCode {
    server_main("quic_echo_server", Backend::Quic)
}
