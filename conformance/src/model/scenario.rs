//! A bounded world to explore: configurations, plans, and what may go wrong how often.

use bytes::Bytes;
use oap_core::{Config, Role};

use super::plan::Plan;
use super::sabotage::Sabotage;

/// How often each optional thing may happen; arrays go by role, the client first.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct Chances {
    /// An application drains.
    pub drain: [u8; 2],
    /// An application closes.
    pub shut: [u8; 2],
    /// An application sends a PING.
    pub ping: [u8; 2],
    /// The client ends its stream and goes on reading.
    pub half_close: u8,
    /// The transport is lost, between frames or inside one.
    pub lose: u8,
    /// A frame is forged.
    pub forge: u8,
    /// The clock moves.
    pub tick: u8,
}

/// Who is real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cast {
    /// Both sides; what is forged besides breaks no rule.
    #[default]
    Both,
    /// The server; the client is whatever the forged frames make it.
    Server,
    /// The client; the server is whatever the forged frames make it.
    Client,
}

impl Cast {
    /// Who forged frames and a stream that ends early come from.
    pub const fn outsider(self) -> Role {
        match self {
            Self::Both | Self::Server => Role::Client,
            Self::Client => Role::Server,
        }
    }
}

/// A bounded world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Who is real.
    pub cast: Cast,
    /// The client's configuration.
    pub client: Config,
    /// The server's.
    pub server: Config,
    /// Frames under way in each direction at most.
    pub room: usize,
    /// The exchanges.
    pub plans: Vec<Plan>,
    /// What may happen besides.
    pub chances: Chances,
    /// The frames that may be forged, with what they are called.
    pub forged: Vec<(String, Bytes)>,
    /// How far the clock moves at a time, in microseconds.
    pub tick: u64,
    /// Whether the client closes once it is told to go away and nothing is open.
    pub leaves: bool,
    /// What a broken wrapper does to the frames of a connection; only to prove that it is found.
    pub sabotage: Option<Sabotage>,
}

impl Scenario {
    /// Two sides of these configurations, with these exchanges and nothing besides.
    pub fn new(
        name: &'static str,
        about: &'static str,
        client: Config,
        server: Config,
        plans: Vec<Plan>,
    ) -> Self {
        Self {
            name,
            about,
            cast: Cast::Both,
            client,
            server,
            room: 2,
            plans,
            chances: Chances::default(),
            forged: Vec::new(),
            tick: 0,
            leaves: false,
            sabotage: None,
        }
    }

    /// Whether both sides keep to the rules, so that every byte can be accounted for.
    pub fn is_honest(&self) -> bool {
        self.cast == Cast::Both
    }
}
