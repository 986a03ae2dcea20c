//! What a server executes for a request, counted by callgrind: exact, whatever else the machine does.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::contender::Contender;
use crate::scenario::{Kind, Shape};
use crate::side::{Amount, ServerProcess};

const CONNS: usize = 8;
const DEPTHS: [usize; 2] = [1, 16];
/// Requests of the two runs, whose difference has neither start nor handshakes in it.
const RUNS: [u64; 2] = [2_000, 12_000];

/// Lets glibc copy and clear memory with vectors, whatever the size.
const NO_STRING_INSTRUCTIONS: &str =
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// Counts and prints them. Profiles for `callgrind_annotate` are kept in `profiles`.
pub fn run(contenders: &[&'static dyn Contender], identity: &Path, profiles: &Path) -> Result<()> {
    fs::create_dir_all(profiles)?;
    println!("server instructions per request, {CONNS} connections");
    for contender in contenders {
        for depth in DEPTHS {
            let shape = Shape {
                kind: Kind::Requests,
                conns: CONNS,
                depth,
            };
            let name = contender.name();
            let mut counts = [0; 2];
            for (count, requests) in counts.iter_mut().zip(RUNS) {
                let file = profiles.join(format!("{name}-{depth}-{requests}.callgrind"));
                *count = count_one(name, shape, requests, identity, &file).context(name)?;
            }
            let each = (counts[1] - counts[0]) / (RUNS[1] - RUNS[0]);
            println!("{name:16} depth {depth:2} {each:>10}");
        }
    }
    Ok(())
}

fn count_one(name: &str, shape: Shape, requests: u64, identity: &Path, file: &Path) -> Result<u64> {
    let wrapper = [
        // Valgrind counts each byte of a string instruction.
        "env".to_owned(),
        format!("GLIBC_TUNABLES={NO_STRING_INSTRUCTIONS}"),
        "valgrind".to_owned(),
        "-q".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", file.display()),
    ];
    let server = ServerProcess::start(&wrapper, name, shape, identity)?;
    server.load(name, shape, identity, Amount::requests(requests))?;
    // It writes its profile when it is asked to end, not when it is killed.
    let asked = Command::new("kill").arg(server.id().to_string()).status()?;
    ensure!(asked.success(), "the server has ended early");
    server.wait()?;
    let profile = fs::read_to_string(file).context("valgrind has written no profile")?;
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .context("the profile has no total")?;
    Ok(total.trim().parse()?)
}
