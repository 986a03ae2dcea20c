//! The adapter suite: scripts written once, run on every pair of stacks over every transport.
//!
//! A [`Stack`] is a runtime with its adapter. Client and server are chosen independently, so that
//! each of them also meets the others. A script logs what happened; the expected log is committed
//! under `suite/logs` and the same for every cell of the matrix. `BLESS=1` writes it anew.

mod ctx;
mod log;
pub mod peer;
mod pki;
mod probe;
mod raw;
mod relay;
mod scripts;
mod stack;
pub mod stacks;
mod wait;

use std::sync::Arc;

pub use ctx::Ctx;
pub use pki::Identity;
pub use probe::{Gate, Probe};
pub use raw::Raw;
pub use relay::Relay;
pub use stack::{Address, BoxFuture, Plan, Running, Stack, Target, Wire};
pub use stacks::Kind;
pub(crate) use wait::pause;
pub use wait::{block_on, eventually, within};

/// Runs every script that suits the transport between these two stacks.
///
/// # Panics
/// If a script fails or its log differs from the committed one. The message names the cell and the
/// script, and shows the difference.
pub fn run_cell(client: Kind, server: Kind, wire: Wire) {
    let cell = format!(
        "{} -> {} over {}",
        client.name(),
        server.name(),
        wire.name()
    );
    let client: Arc<dyn Stack> = client.start();
    let server: Arc<dyn Stack> = server.start();
    for script in scripts::all().filter(|script| script.suits(wire)) {
        log::check(&cell, script.name, || {
            let mut ctx = Ctx::new(client.clone(), server.clone(), wire);
            block_on(async {
                script.run(&mut ctx).await;
                ctx.nothing_is_left().await;
            });
            ctx.into_log()
        });
    }
}
