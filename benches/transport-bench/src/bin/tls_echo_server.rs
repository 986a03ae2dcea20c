//! Serves the OAP/1 test applications over TLS 1.3 or plain TCP.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use oap_tokio::{AlpnPolicy, TlsServerConfig};
use transport_bench::{
    Address, Failure, SelfSigned, ServeOptions, cores, exit, parse, process_time, serve,
};

const PROGRAM: &str = "tls_echo_server";

/// Serves the OAP/1 test applications over TLS 1.3, or over plain TCP with --plain.
///
/// It prints `listening on ADDR` once it is ready. SIGTERM or SIGINT drains it: clients get GOAWAY
/// and requests in flight may finish for 30 s; a second signal ends it at once. Exit status: 0
/// after a signal, 1 if it cannot run, 2 if an option breaks a rule.
#[derive(Parser)]
#[command(name = PROGRAM, version)]
struct Options {
    /// Where to listen, `HOST:PORT` or `[V6]:PORT`; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Address,
    /// PEM file with the certificate chain, the server's own first [default: a self-signed
    /// certificate for localhost, 127.0.0.1, ::1 and the listen host]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, which only its owner may read
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write the self-signed certificate to this file, for a client's --ca
    #[arg(long, value_name = "FILE")]
    self_signed_out: Option<PathBuf>,
    /// What to do about clients that offer no application protocol [default: required]
    #[arg(long, value_name = "POLICY")]
    alpn: Option<Alpn>,
    /// Plain TCP, without TLS
    #[arg(long)]
    plain: bool,
    /// Threads that serve connections, 1 to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Alpn {
    /// Refuse them
    Required,
    /// Serve them
    Optional,
}

fn main() -> ExitCode {
    exit(PROGRAM, run())
}

fn run() -> Result<(), Failure> {
    let options: Options = parse()?;
    let totals = serve(&ServeOptions {
        tls: options.tls()?,
        threads: options.threads.map_or_else(cores, usize::from),
        listen: options.listen,
    })?;
    let cpu = process_time().unwrap_or_default().as_secs_f64();
    eprintln!(
        "{PROGRAM}: {} connections accepted, {} handshakes failed, {} drained, {} cut off, \
         CPU {cpu:.2} s",
        totals.accepted, totals.handshakes_failed, totals.drained, totals.aborted
    );
    Ok(())
}

impl Options {
    fn tls(&self) -> Result<Option<TlsServerConfig>, Failure> {
        if self.plain {
            return self.check_plain().map(|()| None);
        }
        let builder = TlsServerConfig::builder();
        let builder = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                if let Some(out) = &self.self_signed_out {
                    let out = out.display();
                    return Err(Failure::usage(format!(
                        "--self-signed-out {out}: must not be given together with --cert"
                    )));
                }
                builder.files(cert, key)
            }
            (Some(cert), None) => {
                let cert = cert.display();
                return Err(Failure::usage(format!(
                    "--cert {cert}: must come with --key"
                )));
            }
            (None, Some(key)) => {
                let key = key.display();
                return Err(Failure::usage(format!(
                    "--key {key}: must come with --cert"
                )));
            }
            (None, None) => {
                let own = SelfSigned::new(self.listen.host())?;
                if let Some(out) = &self.self_signed_out {
                    own.write(out)?;
                }
                builder.pem(own.certificate(), own.key())
            }
        };
        let policy = match self.alpn {
            None | Some(Alpn::Required) => AlpnPolicy::Required,
            Some(Alpn::Optional) => AlpnPolicy::Optional,
        };
        let config = builder.alpn(policy).build().map_err(Failure::usage)?;
        Ok(Some(config))
    }

    fn check_plain(&self) -> Result<(), Failure> {
        for (name, given) in [
            ("--cert", self.cert.is_some()),
            ("--key", self.key.is_some()),
            ("--self-signed-out", self.self_signed_out.is_some()),
            ("--alpn", self.alpn.is_some()),
        ] {
            if given {
                return Err(Failure::usage(format!(
                    "{name}: must not be given together with --plain, which has no TLS"
                )));
            }
        }
        Ok(())
    }
}
