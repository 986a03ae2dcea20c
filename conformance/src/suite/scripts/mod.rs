//! The scripts. Each is written once and logs the same in every cell.

mod apps;
mod authorizer;
mod cancel;
mod compression;
mod drain;
mod half_close;
mod hello;
mod limits;
mod reload;
mod reset;
mod timeouts;
mod windows;

use std::pin::Pin;

use super::{Ctx, Wire};

type Run = for<'a> fn(&'a mut Ctx) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A script and where it runs.
pub(super) struct Script {
    pub(super) name: &'static str,
    wires: &'static [Wire],
    run: Run,
}

impl Script {
    pub(super) fn suits(&self, wire: Wire) -> bool {
        self.wires.contains(&wire)
    }

    pub(super) async fn run(&self, ctx: &mut Ctx) {
        (self.run)(ctx).await;
    }
}

const EVERYWHERE: &[Wire] = &[Wire::Tcp, Wire::Tls, Wire::Quic, Wire::Uds];

macro_rules! scripts {
    ($($module:ident::$name:ident on $wires:expr;)*) => {
        const SCRIPTS: &[Script] = &[$(Script {
            name: stringify!($name),
            wires: $wires,
            run: |ctx| Box::pin($module::$name(ctx)),
        }),*];
    };
}

scripts! {
    hello::hello on EVERYWHERE;
    hello::hello_on_the_wire on EVERYWHERE;
    apps::unary on EVERYWHERE;
    apps::streams on EVERYWHERE;
    compression::compression on EVERYWHERE;
    authorizer::authorizer on EVERYWHERE;
    windows::windows on EVERYWHERE;
    half_close::half_close on EVERYWHERE;
    cancel::cancel on EVERYWHERE;
    limits::limits on EVERYWHERE;
    limits::frame_too_large on EVERYWHERE;
    timeouts::timeouts on EVERYWHERE;
    drain::drain on EVERYWHERE;
    reset::reset on EVERYWHERE;
    reload::reload on &[Wire::Tls, Wire::Quic];
}

pub(super) fn all() -> impl Iterator<Item = &'static Script> {
    SCRIPTS.iter()
}
