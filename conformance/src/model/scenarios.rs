//! The bounded worlds that are explored.

use std::time::Duration;

use oap_core::wire::Features;
use oap_core::{Config, Consume, Limits, Timers};

use super::forged;
use super::plan::{Cancels, Finish, Part, Plan};
use super::scenario::{Cast, Chances, Scenario};

use Part::{Data, Event};

/// The smallest window that a HELLO may tell of: two chunks of [`CHUNK`].
const WINDOW: u32 = 4_096;
const CHUNK: u32 = 2_048;
/// One chunk.
const ONE: usize = CHUNK as usize;

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    let mut all = windows();
    all.extend(ends());
    all.extend(hellos());
    all.extend(losses());
    all.extend(servers());
    all.extend(hostile());
    all
}

/// A side with windows of two chunks and room for one body that waits.
fn side() -> Config {
    Config {
        limits: limits(WINDOW, 4),
        agent: "model".into(),
        ..Config::default()
    }
}

fn limits(window: u32, inflight: u16) -> Limits {
    Limits::builder()
        .max_frame(8_192)
        .ack_window(window)
        .chunk(CHUNK)
        .send_buffer(CHUNK)
        .max_inflight(inflight)
        .build_unreserved()
}

fn manual() -> Config {
    Config {
        consume: Consume::Manually,
        ..side()
    }
}

fn windows() -> Vec<Scenario> {
    let long = Plan::new(&[3 * ONE, 2 * ONE])
        .answer(&[Data(3 * ONE), Data(2 * ONE)])
        .early();
    let odd = Plan::new(&[5_000, 1, 6_000])
        .answer(&[Data(1), Data(9_000)])
        .early();
    let uneven = Config {
        limits: limits(5_000, 4),
        ..manual()
    };
    vec![
        Scenario::new(
            "windows",
            "both halves are longer than their windows, and credit returns on delivery",
            side(),
            side(),
            vec![long],
        ),
        Scenario::new(
            "windows-manual",
            "credit returns when the applications say so",
            manual(),
            manual(),
            vec![Plan::new(&[3 * ONE]).answer(&[Data(3 * ONE)]).early()],
        ),
        Scenario::new(
            "windows-uneven",
            "bodies and a window that no chunk divides",
            uneven,
            side(),
            vec![odd],
        ),
        Scenario::new(
            "windows-two",
            "two exchanges, both halves of both longer than their windows",
            side(),
            manual(),
            vec![
                Plan::new(&[3 * ONE]).answer(&[Data(3 * ONE)]).early(),
                Plan::new(&[3 * ONE]).answer(&[Data(3 * ONE)]).early(),
            ],
        ),
        Scenario::new(
            "events",
            "events and answers share one window",
            manual(),
            side(),
            vec![
                Plan::new(&[1])
                    .answer(&[Event(ONE), Data(ONE), Event(ONE + 1), Event(10)])
                    .early(),
            ],
        ),
        Scenario::new(
            "two-exchanges",
            "two exchanges share the connection",
            side(),
            side(),
            vec![
                Plan::new(&[ONE, ONE, 0]).answer(&[Data(ONE), Data(2 * ONE)]),
                Plan::new(&[1]).answer(&[Data(3 * ONE)]),
            ],
        ),
        Scenario {
            room: 4,
            ..Scenario::new(
                "no-room",
                "unwindowed bodies fill the buffer budget, and reading stops",
                small_frames(),
                Config {
                    consume: Consume::Manually,
                    ..small_frames()
                },
                vec![Plan::new(&[479 * 12]).answer(&[Data(9)])],
            )
        },
    ]
}

/// Without windows or HELLO, and with a buffer budget of eight small frames.
fn small_frames() -> Config {
    Config {
        limits: Limits::builder()
            .max_frame(512)
            .chunk(479)
            .send_buffer(CHUNK)
            .build_unreserved(),
        windows: false,
        hello: false,
        ..side()
    }
}

fn ends() -> Vec<Scenario> {
    let given_up = Plan::new(&[ONE, ONE, ONE])
        .answer(&[Data(ONE), Data(2 * ONE)])
        .early()
        .cancels(Cancels::May);
    let one_slot = Config {
        limits: limits(WINDOW, 1),
        explicit_release: true,
        ..side()
    };
    let no_cancel = Config {
        features: Features::NONE,
        ..side()
    };
    vec![
        Scenario::new(
            "cancel",
            "either side may give up at any point",
            side(),
            side(),
            vec![given_up.aborts()],
        ),
        Scenario::new(
            "cancel-and-ask-again",
            "one slot, held until the handler's work has ended; the client gives up and asks anew",
            side(),
            one_slot,
            vec![
                Plan::new(&[ONE, 1])
                    .answer(&[Data(ONE)])
                    .cancels(Cancels::May),
                Plan::new(&[1]).answer(&[Data(1)]).cancels(Cancels::May),
                Plan::new(&[1]).finish(Finish::Never).cancels(Cancels::Must),
            ],
        ),
        Scenario::new(
            "cancel-without-cancel",
            "the server has no CANCEL: the client keeps what it gave up, and acknowledges it",
            side(),
            no_cancel,
            vec![
                Plan::new(&[ONE, ONE])
                    .answer(&[Data(3 * ONE), Data(ONE)])
                    .early()
                    .cancels(Cancels::May),
                Plan::new(&[1]).answer(&[Data(1)]),
            ],
        ),
        Scenario::new(
            "endless-requests",
            "the client sends no END; the answer ends both halves and late chunks are dropped",
            side(),
            side(),
            vec![
                Plan::new(&[ONE, ONE, ONE, ONE])
                    .answer(&[Data(ONE)])
                    .endless(),
            ],
        ),
        Scenario {
            chances: Chances {
                drain: [1, 1],
                ..Chances::default()
            },
            ..Scenario::new(
                "goaway",
                "either side may drain at any point",
                side(),
                side(),
                vec![
                    Plan::new(&[ONE, ONE])
                        .answer(&[Data(ONE)])
                        .cancels(Cancels::May),
                    Plan::new(&[1]).answer(&[Data(1)]),
                ],
            )
        },
        Scenario {
            chances: Chances {
                drain: [0, 1],
                tick: 1,
                ..Chances::default()
            },
            tick: 3_000_000,
            leaves: true,
            ..Scenario::new(
                "goaway-linger",
                "a server that drains waits for its client to leave first",
                side(),
                Config {
                    timers: Timers {
                        linger: Duration::from_secs(2),
                        ..Timers::default()
                    },
                    ..side()
                },
                vec![
                    Plan::new(&[ONE, ONE]).answer(&[Data(ONE)]),
                    Plan::new(&[1]).answer(&[Data(1)]),
                ],
            )
        },
    ]
}

fn hellos() -> Vec<Scenario> {
    let quiet = Config {
        hello: false,
        ..side()
    };
    let two = || {
        vec![
            Plan::new(&[ONE, ONE])
                .answer(&[Data(3 * ONE)])
                .early()
                .aborts(),
            Plan::new(&[1]).answer(&[Event(1), Data(1)]),
        ]
    };
    let forged = |scenario: Scenario, forge| Scenario {
        forged: forged::hellos(),
        chances: Chances {
            forge,
            ..Chances::default()
        },
        ..scenario
    };
    vec![
        Scenario::new(
            "hello-unanswered",
            "requests begin before the HELLO is answered, with the credit that is safe",
            side(),
            Config {
                limits: limits(2 * WINDOW, 1),
                ..side()
            },
            vec![
                Plan::new(&[4 * ONE, ONE]).answer(&[Data(3 * ONE)]).early(),
                Plan::new(&[1]).answer(&[Data(1)]),
            ],
        ),
        forged(
            Scenario::new(
                "hello-any-time",
                "a client without a HELLO of its own sends one, good, empty or bad, at any time",
                quiet,
                side(),
                two(),
            ),
            2,
        ),
        forged(
            Scenario::new(
                "hello-late",
                "HELLO requests after the first are answered and change nothing",
                side(),
                side(),
                two(),
            ),
            1,
        ),
        Scenario {
            chances: Chances {
                ping: [1, 1],
                ..Chances::default()
            },
            ..Scenario::new(
                "ping",
                "each side sends a PING at any time",
                side(),
                side(),
                vec![Plan::new(&[ONE, ONE]).answer(&[Data(3 * ONE)]).early()],
            )
        },
    ]
}

fn losses() -> Vec<Scenario> {
    let busy = || {
        vec![
            Plan::new(&[3 * ONE]).answer(&[Data(3 * ONE)]).early(),
            Plan::new(&[1]).answer(&[Data(1)]),
        ]
    };
    let scenario = |name, about, chances| Scenario {
        chances,
        ..Scenario::new(name, about, side(), side(), busy())
    };
    let none = Chances::default();
    vec![
        scenario(
            "loss",
            "the transport is lost at any point, between frames or inside one",
            Chances { lose: 1, ..none },
        ),
        scenario(
            "half-close",
            "the client ends its stream at any point and goes on reading",
            Chances {
                half_close: 1,
                ..none
            },
        ),
        scenario(
            "close",
            "either application closes the connection at any point",
            Chances {
                shut: [1, 1],
                ..none
            },
        ),
        Scenario {
            chances: Chances { tick: 2, ..none },
            tick: 6_000_000,
            ..Scenario::new(
                "time",
                "six seconds pass, twice, at any point: timers of HELLO, requests and verdicts",
                side(),
                Config {
                    authorize: true,
                    ..side()
                },
                vec![
                    Plan::new(&[ONE]).answer(&[Data(3 * ONE)]),
                    Plan::new(&[1]).answer(&[Data(1)]),
                ],
            )
        },
    ]
}

fn servers() -> Vec<Scenario> {
    let patient = Config {
        explicit_release: true,
        ..side()
    };
    vec![
        Scenario::new(
            "verdicts",
            "nothing reaches a handler before its verdict, and any verdict may come at any time",
            side(),
            Config {
                authorize: true,
                ..side()
            },
            vec![
                Plan::new(&[ONE, ONE, ONE])
                    .answer(&[Data(ONE)])
                    .early()
                    .cancels(Cancels::May)
                    .capable(),
                Plan::new(&[1]).answer(&[Data(1)]),
            ],
        ),
        Scenario::new(
            "handlers-fail",
            "handlers end with an error, give up, leave; their slots stay taken until released",
            side(),
            patient,
            vec![
                Plan::new(&[ONE, ONE, ONE])
                    .answer(&[Data(3 * ONE)])
                    .early()
                    .finish(Finish::Fail),
                Plan::new(&[1]).finish(Finish::Leave),
            ],
        ),
        Scenario::new(
            "handlers-give-up",
            "handlers that give up, and others that may",
            manual(),
            side(),
            vec![
                Plan::new(&[ONE, ONE])
                    .answer(&[Event(ONE)])
                    .early()
                    .finish(Finish::Cancel),
                Plan::new(&[1]).answer(&[Data(3 * ONE)]).aborts(),
            ],
        ),
    ]
}

fn hostile() -> Vec<Scenario> {
    let server = |name, about, config: Config, forged, forge| Scenario {
        cast: Cast::Server,
        room: 1,
        forged,
        chances: Chances {
            forge,
            half_close: 1,
            ..Chances::default()
        },
        ..Scenario::new(
            name,
            about,
            side(),
            config,
            vec![
                Plan::new(&[])
                    .answer(&[Data(WINDOW as usize + 1)])
                    .early()
                    .aborts(),
            ],
        )
    };
    let asks = Config {
        authorize: true,
        ..side()
    };
    let one_slot = Config {
        limits: limits(WINDOW, 1),
        explicit_release: true,
        ..side()
    };
    let mut two_ids = forged::table();
    two_ids.extend(forged::requests(2));
    let mut control = forged::client_control();
    control.extend(forged::requests(1));
    let client = |name, about, config: Config| Scenario {
        cast: Cast::Client,
        room: 1,
        forged: forged::server(),
        chances: Chances {
            forge: 3,
            half_close: 1,
            ..Chances::default()
        },
        ..Scenario::new(
            name,
            about,
            config,
            side(),
            vec![Plan::new(&[3 * ONE]).cancels(Cancels::May), Plan::new(&[1])],
        )
    };
    vec![
        server(
            "table",
            "every kind of frame in every state that three frames lead to",
            side(),
            forged::table(),
            3,
        ),
        server(
            "table-verdicts",
            "the same, where every START waits for a verdict",
            asks.clone(),
            forged::table(),
            3,
        ),
        server(
            "hostile-client",
            "four frames on two ids",
            side(),
            two_ids.clone(),
            4,
        ),
        server(
            "hostile-client-verdicts",
            "three frames on two ids, where every START waits for a verdict",
            asks,
            two_ids,
            3,
        ),
        server(
            "hostile-client-control",
            "control frames that break rules, one slot",
            one_slot,
            control,
            4,
        ),
        client(
            "hostile-server",
            "any frame in any state of a client that has sent a HELLO",
            side(),
        ),
        client(
            "hostile-server-quiet",
            "any frame in any state of a client without HELLO",
            Config {
                hello: false,
                ..side()
            },
        ),
    ]
}
