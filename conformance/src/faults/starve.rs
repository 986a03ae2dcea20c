//! A process without descriptors, and what it does once it has some again.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use oap_core::driver::Session;
use oap_core::driver::test_apps::ECHO;
use oap_core::{Config, Head};

use crate::suite::peer::Process;
use crate::suite::{Address, Identity, Kind, Target, Wire, block_on, eventually, within};

/// Descriptors that the server may have.
const FEW: usize = 40;

/// How a server came through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Starved {
    /// Accepts that failed meanwhile.
    pub accept_errors: u64,
    /// Descriptors that it had before, and has after it.
    pub descriptors: (usize, usize),
}

impl Starved {
    /// Connects to a server of 40 descriptors until it has none left, looks whether the session that
    /// it had before is still served, gives them back, and looks whether it accepts again. `program`
    /// is `attack`.
    ///
    /// # Panics
    /// If it does not, or keeps descriptors.
    pub fn server(program: &str, kind: Kind, wire: Wire) -> Self {
        let few = FEW.to_string();
        let arguments = ["peer", "serve", kind.id(), wire.name(), &few];
        let trust = Identity::first();
        let mut server = Process::start(program, &arguments, trust);
        let address = Address::of(wire, &server.hear("listening"));
        let target = Target {
            wire,
            address,
            trust,
        };
        let stack = Kind::TokioCurrentThread.start();
        let connect = || within("a session", stack.connect(&target, Config::default()));
        let session = block_on(connect()).expect("a session");
        block_on(echo(&session));
        let before = descriptors_of(server.id());

        let crowd: Vec<Socket> = (0..2 * FEW).map(|_| Socket::connect(&target)).collect();
        block_on(eventually("the server's accepts fail", || {
            accept_errors(&mut server) > 0
        }));
        block_on(echo(&session));
        drop(crowd);
        let another = block_on(connect()).expect("a session after all");
        block_on(echo(&another));
        drop(another);
        block_on(eventually("the server has closed what it had", || {
            descriptors_of(server.id()) <= before
        }));
        Self {
            accept_errors: accept_errors(&mut server),
            descriptors: (before, descriptors_of(server.id())),
        }
    }
}

/// A client that may have no more descriptors dials: it is told `io`, and once it may, it is served.
/// `program` is `attack`.
///
/// # Panics
/// If it is not so.
pub fn dial_without_descriptors(program: &str, kind: Kind, wire: Wire) {
    let trust = Identity::first();
    let serve = ["peer", "serve", kind.id(), wire.name()];
    let mut server = Process::start(program, &serve, trust);
    let address = server.hear("listening");
    let dial = ["peer", "dial", kind.id(), wire.name(), &address];
    let mut client = Process::start(program, &dial, trust);
    assert_eq!(client.hear("refused"), "io");
    client.hear("served");
}

enum Socket {
    Tcp(#[expect(dead_code, reason = "it is held")] TcpStream),
    Unix(#[expect(dead_code, reason = "it is held")] UnixStream),
}

impl Socket {
    fn connect(target: &Target) -> Self {
        match &target.address {
            Address::Socket(address) => TcpStream::connect(address).map(Self::Tcp),
            Address::Path(path) => UnixStream::connect(path).map(Self::Unix),
        }
        .expect("the backlog takes it")
    }
}

async fn echo(session: &Session) {
    let answer = session.request(Head::new(ECHO), &b"still there"[..]);
    let answer = within("an echo", answer).await.expect("an echo");
    assert_eq!(answer.body, &b"still there"[..]);
}

fn accept_errors(server: &mut Process) -> u64 {
    let answer = server.ask("accept-errors", "accept-errors");
    answer.parse().expect("a number")
}

fn descriptors_of(process: u32) -> usize {
    let path = format!("/proc/{process}/fd");
    fs::read_dir(&path).expect("a process").count()
}
