//! `oap-conformance stdio`: oap-core as a program under test.

use std::io;
use std::process::ExitCode;

use oap_conformance::vectors::{CoreSubject, serve};

/// Nothing can be set.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Answers until the input ends.
pub(crate) fn run(_: Args) -> ExitCode {
    let mut subject = CoreSubject::default();
    match serve(&mut subject, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oap-conformance stdio: {error}");
            ExitCode::FAILURE
        }
    }
}
