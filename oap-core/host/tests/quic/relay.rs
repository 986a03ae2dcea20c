//! A path between a client and a server that loses packets on demand.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Largest datagram that passes: larger ones are probes for a larger packet size, which so stays at
/// its least.
const LARGEST: usize = 1_252;
/// From this length on a datagram is full of one stream's bytes.
const FULL: usize = 1_150;

/// Carries datagrams of one client to a server and back.
pub(crate) struct Relay {
    address: SocketAddr,
    path: Arc<Path>,
}

struct Path {
    front: UdpSocket,
    back: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    holding: AtomicBool,
    cut: AtomicBool,
    ended: AtomicBool,
    held: Mutex<Vec<Vec<u8>>>,
}

impl Relay {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            let patience = Some(Duration::from_millis(100));
            socket.set_read_timeout(patience).expect("a timeout");
            socket
        };
        let (front, back) = (bind(), bind());
        back.connect(server).expect("the server's address");
        let address = front.local_addr().expect("its address");
        let path = Arc::new(Path {
            front,
            back,
            client: Mutex::default(),
            holding: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            held: Mutex::default(),
        });
        let (there, back_again) = (path.clone(), path.clone());
        thread::spawn(move || there.run_there());
        thread::spawn(move || back_again.run_back());
        Self { address, path }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds full datagrams to the server back.
    pub(crate) fn hold(&self) {
        self.path.holding.store(true, Ordering::SeqCst);
    }

    /// How many are held back.
    pub(crate) fn held(&self) -> usize {
        self.path.held.lock().expect("no panic").len()
    }

    /// Delivers what was held back, and everything from now on.
    pub(crate) fn release(&self) {
        self.path.holding.store(false, Ordering::SeqCst);
        for datagram in self.path.held.lock().expect("no panic").drain(..) {
            let _ = self.path.back.send(&datagram);
        }
    }

    /// Delivers nothing any more.
    pub(crate) fn cut(&self) {
        self.path.cut.store(true, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.path.ended.store(true, Ordering::SeqCst);
    }
}

impl Path {
    fn run_there(&self) {
        let mut datagram = [0; 65_536];
        while !self.ended.load(Ordering::SeqCst) {
            let Ok((len, client)) = self.front.recv_from(&mut datagram) else {
                continue;
            };
            *self.client.lock().expect("no panic") = Some(client);
            if !self.passes(len) {
                continue;
            }
            if len >= FULL && self.holding.load(Ordering::SeqCst) {
                let mut held = self.held.lock().expect("no panic");
                held.push(datagram[..len].to_vec());
                continue;
            }
            let _ = self.back.send(&datagram[..len]);
        }
    }

    fn run_back(&self) {
        let mut datagram = [0; 65_536];
        while !self.ended.load(Ordering::SeqCst) {
            let Ok(len) = self.back.recv(&mut datagram) else {
                continue;
            };
            let client = *self.client.lock().expect("no panic");
            if let Some(client) = client
                && self.passes(len)
            {
                let _ = self.front.send_to(&datagram[..len], client);
            }
        }
    }

    fn passes(&self, len: usize) -> bool {
        len <= LARGEST && !self.cut.load(Ordering::SeqCst)
    }
}
