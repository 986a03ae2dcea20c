//! A server or a crowd of clients in a process of its own, for the suite's tests.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Err(message) = oap_conformance::suite::peer::run(&arguments) {
        eprintln!("oap-suite-peer: {message}");
        std::process::exit(2);
    }
}
