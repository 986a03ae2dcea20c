//! The two processes of a measurement, each this program again.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::contender::{Contender, Load, by_name};
use crate::identity::Identity;
use crate::meter::Meter;
use crate::scenario::Shape;
use crate::usage::Usage;

/// How long connections may take to be established, under valgrind too.
const CONNECT_TIME: Duration = Duration::from_secs(120);

/// What either process is told.
#[derive(Args)]
pub struct SideOptions {
    /// Which contender
    #[arg(long)]
    contender: String,
    /// Directory of the certificate
    #[arg(long)]
    identity: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

/// What a client is told besides.
#[derive(Args)]
pub struct ClientOptions {
    #[command(flatten)]
    side: SideOptions,
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// Its process
    #[arg(long)]
    server: u32,
    #[command(flatten)]
    amount: Amount,
}

/// How much a client does.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Amount {
    /// Measures for so many seconds, after a third of that to warm up
    #[arg(long)]
    seconds: Option<f64>,
    /// Sends so many requests
    #[arg(long)]
    requests: Option<u64>,
    /// Sends one request on each connection and keeps them until its input ends
    #[arg(long)]
    hold: bool,
}

impl Amount {
    /// As long as this.
    pub const fn seconds(seconds: f64) -> Self {
        Self {
            seconds: Some(seconds),
            requests: None,
            hold: false,
        }
    }

    /// As many as this.
    pub const fn requests(requests: u64) -> Self {
        Self {
            seconds: None,
            requests: Some(requests),
            hold: false,
        }
    }

    fn to_args(self) -> [String; 2] {
        match (self.seconds, self.requests) {
            (Some(seconds), _) => ["--seconds".to_owned(), seconds.to_string()],
            (None, requests) => [
                "--requests".to_owned(),
                requests.unwrap_or_default().to_string(),
            ],
        }
    }
}

/// What a client has measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Seconds.
    pub elapsed_s: f64,
    /// Answers, or chunks.
    pub requests: f64,
    /// What the client's process has used.
    pub client: Usage,
    /// What the server's has.
    pub server: Usage,
    /// From a request to its answer.
    pub latency: Option<Latency>,
}

/// Quantiles, in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    pub p50_us: f64,
    pub p99_us: f64,
    pub p99_9_us: f64,
    pub max_us: f64,
}

/// The server's process: it tells its address and serves until it is killed.
pub fn serve(options: &SideOptions) -> Result<()> {
    let identity = Identity::open(&options.identity);
    let announce = |address: SocketAddr| println!("{address}");
    options
        .contender()?
        .serve(&identity, options.shape, announce)
}

/// The client's process: it puts a load on a server and tells what it has measured.
pub fn load(options: &ClientOptions) -> Result<()> {
    let (connected_to, connected) = mpsc::channel();
    let Amount { requests, hold, .. } = options.amount;
    let meter = Arc::new(Meter::new(requests, hold, connected_to));
    let load = Load {
        address: options.address,
        identity: Identity::open(&options.side.identity),
        shape: options.side.shape,
        meter: meter.clone(),
    };
    let contender = options.side.contender()?;
    let (ended_to, ended) = mpsc::channel();
    thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            // Who measures may have had enough.
            let _ = ended_to.send(contender.load(load));
        })?;
    if connected.recv_timeout(CONNECT_TIME).is_err() {
        ended.recv_timeout(Duration::ZERO).unwrap_or(Ok(()))?;
        bail!("the connections are not up");
    }
    if hold {
        println!("held");
        io::copy(&mut io::stdin(), &mut io::sink())?;
        return Ok(());
    }
    let outcome = match options.amount.seconds {
        None => return ended.recv()?,
        Some(seconds) => {
            let pause = |seconds: f64| match ended.recv_timeout(Duration::from_secs_f64(seconds)) {
                Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
                Ok(Err(error)) => Err(error),
                _ => Err(anyhow!("the load has ended early")),
            };
            pause(seconds / 3.0)?;
            measure(options, &meter, || pause(seconds))?
        }
    };
    serde_json::to_writer(std::io::stdout(), &outcome)?;
    Ok(())
}

fn measure(
    options: &ClientOptions,
    meter: &Meter,
    pause: impl FnOnce() -> Result<()>,
) -> Result<Outcome> {
    let (server, client) = (Usage::of(options.server)?, Usage::of(process::id())?);
    let began = Instant::now();
    meter.begin();
    pause()?;
    let server = Usage::of(options.server)?.since(server);
    let client = Usage::of(process::id())?.since(client);
    let elapsed_s = began.elapsed().as_secs_f64();
    meter.end();
    let counts = meter.counts();
    ensure!(counts.bytes > 0, "nothing was answered");
    let at = |quantile| counts.latency.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Outcome {
        elapsed_s,
        requests: counts.bytes as f64 / options.side.shape.unit() as f64,
        client,
        server,
        latency: (!counts.latency.is_empty()).then(|| Latency {
            p50_us: at(0.5),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: at(1.0),
        }),
    })
}

impl SideOptions {
    fn contender(&self) -> Result<&'static dyn Contender> {
        let name = &self.contender;
        by_name(name).with_context(|| format!("--contender {name}: there is none of that name"))
    }
}

/// A server's process, killed when it is dropped.
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts one, below the program `wrapper` with its arguments unless that is empty.
    pub fn start(
        wrapper: &[String],
        contender: &str,
        shape: Shape,
        identity: &Path,
    ) -> Result<Self> {
        let program = env::current_exe()?;
        let mut command = match wrapper {
            [] => Command::new(program),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        };
        side(&mut command, "serve", contender, shape, identity);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("the server has an output")?;
        let mut server = Self {
            child,
            address: SocketAddr::from(([0; 4], 0)),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        server.address = line.trim().parse().context("the server has not started")?;
        Ok(server)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    /// Lets a client hold idle connections with it, and tells what the server uses then, as `look`
    /// finds it.
    pub fn hold<T>(
        &self,
        contender: &str,
        shape: Shape,
        identity: &Path,
        look: impl FnOnce(u32) -> Result<T>,
    ) -> Result<T> {
        let mut command = Command::new(env::current_exe()?);
        side(&mut command, "load", contender, shape, identity)
            .args(["--address", &self.address.to_string()])
            .args(["--server", &self.id().to_string()])
            .arg("--hold");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the client has an output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let seen = match line.trim() {
            "held" => look(self.id()),
            _ => Err(anyhow!("{contender}: the client has failed")),
        };
        // Its input ends here.
        drop(child.stdin.take());
        child.wait()?;
        seen
    }

    /// Runs a client against it; nothing is measured where requests are counted.
    pub fn load(
        &self,
        contender: &str,
        shape: Shape,
        identity: &Path,
        amount: Amount,
    ) -> Result<Option<Outcome>> {
        let mut command = Command::new(env::current_exe()?);
        side(&mut command, "load", contender, shape, identity)
            .args(["--address", &self.address.to_string()])
            .args(["--server", &self.id().to_string()])
            .args(amount.to_args());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut output = String::new();
        if let Some(stdout) = &mut child.stdout {
            stdout.read_to_string(&mut output)?;
        }
        let status = child.wait()?;
        ensure!(status.success(), "{contender}: the client has failed");
        match amount.seconds {
            Some(_) => Ok(Some(serde_json::from_str(&output)?)),
            None => Ok(None),
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn side<'a>(
    command: &'a mut Command,
    role: &str,
    contender: &str,
    shape: Shape,
    identity: &Path,
) -> &'a mut Command {
    command
        .arg(role)
        .args(["--contender", contender])
        .arg("--identity")
        .arg(identity)
        .args(shape.to_args())
}
