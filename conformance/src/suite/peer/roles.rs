//! What `oap-suite-peer` does: `serve STACK TRANSPORT default|small`, or `idle|slow-loris TRANSPORT ADDRESS COUNT`.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use oap_core::driver::test_apps::ECHO;
use oap_core::driver::{ServerOptions, Session};
use oap_core::{Config, Timers};

use super::descriptors;
use super::process::{Manner, Size};
use crate::suite::ctx::assert_echo;
use crate::suite::{Address, Identity, Kind, Plan, Raw, Stack, Target, Wire, block_on};

/// Connections that a crowd makes at the same time.
const AT_ONCE: usize = 64;
/// How long a whole crowd of slow-loris clients takes to send a byte each.
const LORIS_ROUND: Duration = Duration::from_secs(10);

/// Plays the role that the arguments name.
///
/// # Errors
/// One line that says what is wrong with them.
pub fn run(arguments: &[String]) -> Result<(), String> {
    descriptors();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", kind, wire, size] => serve(
            Kind::from_id(kind).ok_or(format!("stack {kind}: must be one of the suite's"))?,
            wire_of(wire)?,
            [Size::Default, Size::Small]
                .into_iter()
                .find(|known| known.id() == size)
                .ok_or(format!("size {size}: must be default or small"))?,
        ),
        [manner, wire, address, count] => {
            let wire = wire_of(wire)?;
            let target = Target {
                wire,
                address: Address::of(wire, address),
                trust: Identity::first(),
            };
            let count = count
                .parse()
                .map_err(|_| format!("count {count}: must be a number"))?;
            match manner {
                _ if manner == Manner::Idle.id() => idle(&target, count),
                _ if manner == Manner::SlowLoris.id() => slow_loris(&target, count),
                _ => return Err(format!("role {manner}: must be serve, idle or slow-loris")),
            }
        }
        _ => {
            return Err(
                "usage: serve STACK TRANSPORT SIZE | ROLE TRANSPORT ADDRESS COUNT".to_owned(),
            );
        }
    }
    Ok(())
}

fn wire_of(name: &str) -> Result<Wire, String> {
    Wire::from_name(name).ok_or(format!("transport {name}: must be tcp, tls, quic or uds"))
}

pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Whoever started this process may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub(crate) fn orders() -> impl Iterator<Item = String> {
    io::stdin().lines().map_while(Result::ok)
}

fn serve(kind: Kind, wire: Wire, size: Size) {
    let long = Duration::from_secs(600);
    let timers = Timers {
        first_frame: long,
        frame: long,
        write: long,
        idle: long,
        ..Timers::default()
    };
    let plan = Plan::new()
        .with_quic(size.quic())
        .with_config(Config {
            limits: size.limits(),
            timers,
            ..Config::default()
        })
        .with_options(ServerOptions::default().with_max_connections(100_000));
    let stack = kind.start();
    let running = block_on(stack.serve(wire, plan)).expect("a server");
    say(&format!("listening {}", running.target.address));
    for order in orders() {
        if order == "connections" {
            let connections = running.server.stats().connections;
            say(&format!("connections {connections}"));
        }
    }
}

fn idle(target: &Target, count: usize) {
    let stack = Kind::TokioMultiThread.start();
    let sessions = block_on(connect_many(&*stack, target, count));
    say(&format!("up {}", sessions.len()));
    for order in orders() {
        let step = order
            .strip_prefix("echo ")
            .and_then(|step| step.parse().ok());
        let asking = sessions.iter().step_by(step.unwrap_or(1));
        let echoed = block_on(async {
            let all: FuturesUnordered<_> = asking
                .map(|session| assert_echo(session, "an idle client"))
                .collect();
            all.count().await
        });
        say(&format!("echoed {echoed}"));
    }
}

async fn connect_many(stack: &dyn Stack, target: &Target, count: usize) -> Vec<Session> {
    let config = Config {
        timers: Timers {
            idle: Duration::from_secs(600),
            ..Timers::default()
        },
        ..Config::default()
    };
    futures_util::stream::iter(0..count)
        .map(|_| stack.connect(target, config.clone()))
        .buffer_unordered(AT_ONCE)
        .map(|session| session.expect("a session"))
        .collect()
        .await
}

fn slow_loris(target: &Target, count: usize) {
    let mut sockets: Vec<Box<dyn Write>> = (0..count)
        .map(|_| match &target.address {
            Address::Socket(address) => TcpStream::connect(address).map(boxed),
            Address::Path(path) => UnixStream::connect(path).map(boxed),
        })
        .collect::<io::Result<_>>()
        .expect("a connection");
    // Every other one says nothing at all.
    let frame = Raw::frame(Raw::ONE_SHOT, ECHO, 1, &[0; 1_000]);
    for socket in sockets.iter_mut().step_by(2) {
        socket.write_all(&frame[..1]).expect("a byte");
    }
    say(&format!("up {count}"));

    let (tell, over) = channel();
    thread::spawn(move || {
        orders().for_each(drop);
        drop(tell);
    });
    let mut next = 1;
    while !is_over(&over, Duration::ZERO) && next < frame.len() {
        let step = LORIS_ROUND / (count as u32 / 2).max(1);
        for socket in sockets.iter_mut().step_by(2) {
            // A server may have had enough of it.
            let _ = socket.write_all(&frame[next..=next]);
            if is_over(&over, step) {
                return;
            }
        }
        next += 1;
    }
}

fn boxed(socket: impl Write + 'static) -> Box<dyn Write> {
    Box::new(socket)
}

fn is_over(over: &Receiver<()>, after: Duration) -> bool {
    over.recv_timeout(after) == Err(RecvTimeoutError::Disconnected)
}
