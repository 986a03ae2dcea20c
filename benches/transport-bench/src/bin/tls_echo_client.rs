//! Puts a load on an OAP/1 echo server and measures it.

use std::process::ExitCode;

use transport_bench::client_main;

fn main() -> ExitCode {
    client_main("tls_echo_client")
}
