//! What is known of a server before the cases run.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SINK, SOURCE, STATUS};
use oap_core::wire::{Flags, MAX_FRAME};
use serde_json::Value;

use super::dial::Dial;
use super::draft::Draft;
use super::rules::{Rules, Sender};
use super::wire::{Came, Wire, show};

/// The timers of a server that its HELLO does not tell.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// Until the first byte of the first frame (OAP-10-1).
    pub first_frame: Duration,
    /// Until a frame that has begun is whole (OAP-10-2).
    pub frame: Duration,
    /// Without progress in writing (OAP-10-4).
    pub write: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let five = Duration::from_secs(5);
        Self {
            first_frame: five,
            frame: five,
            write: five,
        }
    }
}

/// What a server said in its HELLO, and what it offers.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The largest `len` that it takes.
    pub max_frame: u32,
    /// Exchanges at once.
    pub max_inflight: u16,
    /// The first limit of windowed requests after its HELLO.
    pub ack_window: u32,
    /// After how much silence it closes.
    pub idle: Duration,
    /// Whether it inflates zlib.
    pub comp: bool,
    /// The control frames that it understands.
    pub features: BTreeSet<String>,
    /// Its name and version.
    pub version: String,
    /// The test applications that it has.
    pub apps: BTreeSet<u16>,
    /// The transport's name.
    pub transport: &'static str,
    /// Its timers.
    pub timers: Timers,
}

impl Facts {
    /// Asks a server.
    ///
    /// # Errors
    /// It cannot be reached, or does not answer so that anything could be tested.
    pub async fn ask(dial: &dyn Dial, timers: Timers) -> io::Result<Self> {
        let mut wire = Wire::new(dial.dial().await?, Rules::new(Sender::Server));
        wire.send(&Draft::control(Flags::NONE, 0, 0)).await;
        let hello = match wire.came().await {
            Came::Frame(_, frame) if frame.header.app_proto_id == 0 => {
                serde_json::from_slice::<Value>(frame.payload()).ok()
            }
            Came::Frame(_, frame) => return Err(no_server(&show(&frame))),
            other => return Err(no_server(&other.describe())),
        };
        let Some(hello) = hello.filter(Value::is_object) else {
            return Err(no_server("a body that is no JSON object"));
        };
        let number = |field: &str, default: u64| hello[field].as_u64().unwrap_or(default);
        let names = |field: &str| -> BTreeSet<String> {
            let list = hello[field].as_array().into_iter().flatten();
            list.filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        Ok(Self {
            max_frame: number("max_frame", MAX_FRAME.into()).min(MAX_FRAME.into()) as u32,
            max_inflight: number("max_inflight", 64).min(65_535) as u16,
            ack_window: number("ack_window", 131_072).min(8_388_608) as u32,
            idle: Duration::from_millis(number("idle_timeout_ms", 60_000)),
            comp: names("comp").contains("zlib"),
            features: names("features"),
            version: hello["server_version"].as_str().unwrap_or("").to_owned(),
            apps: apps(&mut wire).await,
            transport: dial.transport(),
            timers,
        })
    }
}

fn no_server(came: &str) -> io::Error {
    io::Error::other(format!("its answer to a HELLO is {came}"))
}

/// Every test application answers an empty request; what is not there is answered 404.
async fn apps(wire: &mut Wire) -> BTreeSet<u16> {
    let mut apps = BTreeSet::new();
    for (corr, app) in (1..).zip([ECHO, SINK, SOURCE, EVENTS, DELAY, STATUS]) {
        wire.send(&Draft::request(app, corr, b"")).await;
        loop {
            let Came::Frame(_, frame) = wire.came().await else {
                return apps;
            };
            let header = frame.header;
            if header.corr_id == corr && header.flags.contains(Flags::END) {
                if header.code.get() != 404 {
                    apps.insert(app);
                }
                break;
            }
        }
    }
    apps
}
