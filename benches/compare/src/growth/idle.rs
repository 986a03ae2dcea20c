//! What idle connections cost a server in memory.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::slope::Slope;
use crate::scenario::{Kind, Shape};
use crate::side::ServerProcess;
use crate::usage::Usage;

/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(250);
/// Looks that must find the same: longer than the second after which an idle connection gives its
/// buffers back.
const SAME: u32 = 8;
/// How long the memory may take to stand still.
const SETTLE: Duration = Duration::from_secs(60);

/// The memory of one contender's server.
#[derive(Debug, Serialize)]
pub struct Idle {
    pub contender: &'static str,
    /// Bytes for each connection, on a straight line through the sizes; `null` for one size.
    pub bytes: Option<Slope>,
    pub sizes: Vec<Size>,
}

/// So many connections.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Size {
    pub connections: usize,
    /// Resident memory of the server, in bytes.
    pub rss_bytes: u64,
}

impl Idle {
    /// Lets a server of its own have each number of connections, each after one request.
    pub fn measure(
        contender: &'static str,
        sizes: &[usize],
        identity: &Path,
        done: impl Fn(),
    ) -> Result<Self> {
        let mut measured = Vec::new();
        for connections in sizes.iter().copied() {
            let shape = Shape {
                kind: Kind::Requests,
                conns: connections,
                depth: 1,
            };
            let server = ServerProcess::start(&[], contender, shape, identity)?;
            let rss_bytes = server.hold(contender, shape, identity, settled)?;
            measured.push(Size {
                connections,
                rss_bytes,
            });
            done();
        }
        let point = |size: &Size| (size.connections as f64, size.rss_bytes as f64);
        let points: Vec<_> = measured.iter().map(point).collect();
        Ok(Self {
            contender,
            bytes: Slope::of(&points),
            sizes: measured,
        })
    }
}

/// The memory of a process once it stands still, in bytes.
fn settled(process: u32) -> Result<u64> {
    let deadline = Instant::now() + SETTLE;
    let (mut seen, mut same) = (0, 0);
    while same < SAME {
        ensure!(
            Instant::now() < deadline,
            "the server's memory does not stand still"
        );
        thread::sleep(LOOK);
        let now = Usage::of(process)?.rss_kib;
        same = if now == seen { same + 1 } else { 0 };
        seen = now;
    }
    Ok(seen * 1_024)
}
