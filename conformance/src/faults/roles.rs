//! What `attack peer` does, in a process that its parent may kill or starve:
//! `serve STACK TRANSPORT [DESCRIPTORS]`, `call STACK TRANSPORT ADDRESS`,
//! `dial STACK TRANSPORT ADDRESS`, `enemy ATTACK`.

use std::io;

use oap_core::Config;
use oap_core::driver::{ConnectError, ServerOptions, Session};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{all_calls, open_descriptors};
use crate::attacks::{Gauge, enemy};
use crate::suite::peer::{orders, say};
use crate::suite::{Address, Identity, Kind, Plan, Stack, Target, Wire, block_on};

/// Plays the role that the arguments name.
///
/// # Errors
/// One line that says what is wrong with them.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", kind, wire] => serve(kind_of(kind)?, wire_of(wire)?),
        ["serve", kind, wire, few] => {
            let few = few.parse().map_err(|_| format!("{few}: no number"))?;
            allow_descriptors(Some(few)).map_err(|error| error.to_string())?;
            serve(kind_of(kind)?, wire_of(wire)?);
        }
        ["call", kind, wire, address] => {
            let stack = kind_of(kind)?.start();
            let session = connect(&*stack, &target_of(wire, address)?);
            let session = session.map_err(|error| error.to_string())?;
            block_on(all_calls(&session));
        }
        ["dial", kind, wire, address] => {
            let stack = kind_of(kind)?.start();
            dial(&*stack, &target_of(wire, address)?)?;
        }
        ["enemy", attack] => enemy(attack)?,
        _ => return Err("role: must be serve, call, dial or enemy".to_owned()),
    }
    Ok(())
}

fn kind_of(id: &str) -> Result<Kind, String> {
    Kind::from_id(id).ok_or(format!("stack {id}: must be one of the suite's"))
}

fn wire_of(name: &str) -> Result<Wire, String> {
    Wire::from_name(name).ok_or(format!("transport {name}: must be tcp, tls, quic or uds"))
}

fn target_of(wire: &str, address: &str) -> Result<Target, String> {
    let wire = wire_of(wire)?;
    Ok(Target {
        wire,
        address: Address::of(wire, address),
        trust: Identity::first(),
    })
}

fn serve(kind: Kind, wire: Wire) {
    let gauge = Gauge::default();
    let apps = gauge.clone();
    let plan = Plan::new()
        .with_options(ServerOptions::default().with_max_connections(100_000))
        .with_service(move |service| apps.serve(service));
    let stack = kind.start();
    let running = block_on(stack.serve(wire, plan)).expect("a server");
    say(&format!("listening {}", running.target.address));
    for order in orders() {
        let stats = running.server.stats();
        match order.as_str() {
            "accept-errors" => say(&format!("accept-errors {}", stats.accept_errors)),
            "connections" => say(&format!("connections {}", stats.connections)),
            "handlers" => {
                let (of_one, of_all) = gauge.most();
                say(&format!("handlers {of_one} {of_all} {}", gauge.now()));
            }
            _ => say("unknown"),
        }
    }
}

fn connect(stack: &dyn Stack, target: &Target) -> Result<Session, ConnectError> {
    block_on(stack.connect(target, Config::default()))
}

fn dial(stack: &dyn Stack, target: &Target) -> Result<(), String> {
    // The runtime's own descriptors are made by a first call.
    drop(connect(stack, target).map_err(|error| error.to_string())?);
    let before = allow_descriptors(Some(0)).map_err(|error| error.to_string())?;
    match connect(stack, target) {
        Ok(_) => return Err("there is a session without a descriptor".to_owned()),
        Err(ConnectError::Handshake(error)) => say(&format!("refused {}", error.reason())),
        Err(error) => return Err(error.to_string()),
    }
    allow_descriptors(before).map_err(|error| error.to_string())?;
    let session = connect(stack, target).map_err(|error| error.to_string())?;
    let answered = block_on(all_calls(&session)).len();
    say(&format!("served {answered} of {}", open_descriptors()));
    Ok(())
}

/// Sets how many descriptors this process may have, and returns how many it might before.
fn allow_descriptors(count: Option<u64>) -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    let now = Rlimit {
        current: count,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, now)?;
    Ok(limit.current)
}
