//! What a vector is built with. What is due is said by whoever builds it, from the specification.

use oap_conformance::vectors::{
    Action, Bytes, Cause, Config, Due, Event, Expect, File, Flags, Frame, Role, Step, Timers,
    Vector,
};

use crate::due::{Freedom, answered, closes, lost, opens, sent};
use crate::frames::{
    ACK_REQ, ALIVE, END, Edit, REQ, START, Wire, answer, frame, hello_reply, request,
};

/// The vectors of one section of the specification.
pub(crate) struct Section {
    pub(crate) file: &'static str,
    number: &'static str,
    heading: &'static str,
    vectors: Vec<Vector>,
}

impl Section {
    pub(crate) fn new(file: &'static str, number: &'static str, heading: &'static str) -> Self {
        Self {
            file,
            number,
            heading,
            vectors: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, built: V) {
        let mut vector = built.vector;
        vector.name = format!("{}/{}", self.number, vector.name);
        self.vectors.push(vector);
    }

    pub(crate) fn vectors(&self) -> &[Vector] {
        &self.vectors
    }

    pub(crate) fn into_file(self) -> File {
        File {
            schema: "schema.json".into(),
            section: format!("{} {}", self.number, self.heading),
            vectors: self.vectors,
        }
    }
}

/// A vector in the making. What is said to be due is due from the newest step.
#[derive(Clone)]
pub(crate) struct V {
    vector: Vector,
    /// The id of the next request of a client.
    next: u64,
    echoes: u64,
}

pub(crate) fn server(name: impl Into<String>, clauses: &str) -> V {
    V::new(name.into(), clauses, Role::Server, Config::default())
}

/// A client that sends no HELLO.
pub(crate) fn client(name: impl Into<String>, clauses: &str) -> V {
    let config = Config {
        no_hello: true,
        ..Config::default()
    };
    V::new(name.into(), clauses, Role::Client, config)
}

/// A client whose HELLO waits for its answer.
pub(crate) fn greeting(name: impl Into<String>, clauses: &str) -> V {
    greeting_with(name, clauses, |_| {})
}

pub(crate) fn greeting_with(
    name: impl Into<String>,
    clauses: &str,
    set: impl FnOnce(&mut Config),
) -> V {
    let mut config = Config::default();
    set(&mut config);
    V::new(name.into(), clauses, Role::Client, config).due(crate::due::greeted())
}

/// A client whose HELLO was answered with `reply`.
pub(crate) fn told(name: impl Into<String>, clauses: &str, reply: &str) -> V {
    greeting(name, clauses).hears(reply)
}

impl V {
    fn new(name: String, clauses: &str, role: Role, config: Config) -> Self {
        Self {
            vector: Vector {
                name,
                clauses: clauses.split(' ').map(|id| format!("OAP-{id}")).collect(),
                role,
                config,
                begin: Expect::default(),
                steps: Vec::new(),
            },
            next: 1,
            echoes: 0,
        }
    }

    pub(crate) fn config(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.vector.config);
        self
    }

    pub(crate) fn timers(self, set: impl FnOnce(&mut Timers)) -> Self {
        self.config(|config| set(&mut config.timers))
    }

    pub(crate) fn max_frame(self, bytes: u32) -> Self {
        // The windows have to fit (OAP-6-18).
        self.config(|config| {
            config.max_frame = Some(bytes);
            config.max_inflight = Some(8);
            config.ack_window = Some(4_096);
        })
    }
}

// What happens.
impl V {
    pub(crate) fn act(mut self, action: Action) -> Self {
        self.vector.steps.push(Step {
            action,
            expect: Expect::default(),
        });
        self
    }

    pub(crate) fn feed(self, wire: impl Wire) -> Self {
        self.feed_on(0, wire)
    }

    pub(crate) fn feed_on(self, lane: u16, wire: impl Wire) -> Self {
        let bytes = wire.wire();
        self.act(Action::Input { lane, bytes })
    }

    pub(crate) fn eof(self) -> Self {
        self.act(Action::Eof { lane: 0 })
    }

    pub(crate) fn advance(self, us: u64) -> Self {
        self.act(Action::Advance { us })
    }

    pub(crate) fn seconds(self, seconds: u64) -> Self {
        self.advance(seconds * 1_000_000)
    }

    /// The answer to the client's HELLO arrives.
    pub(crate) fn hears(self, reply: &str) -> Self {
        self.feed(hello_reply(reply)).tells(crate::due::any_hello())
    }

    /// A START arrives and reaches the handler.
    pub(crate) fn open(self, start: &Frame) -> Self {
        self.feed(start).tells(opens(start))
    }

    /// The same on another lane.
    pub(crate) fn open_lane(self, lane: u16, start: &Frame) -> Self {
        let mut event = opens(start);
        if let Event::Open { start, .. } = &mut event {
            start.lane = lane;
        }
        self.feed_on(lane, start).tells(event)
    }

    /// The client asks in one frame. The id is the next.
    pub(crate) fn ask(self, payload: &[u8]) -> Self {
        let due = sent(frame(REQ | START | END, self.next).payload(payload)).may(ACK_REQ);
        self.request(payload, true).due(due)
    }

    /// The client begins a streaming request, windowed unless it is told otherwise.
    pub(crate) fn stream(self, payload: &[u8]) -> Self {
        let due = sent(frame(self.first_flags(), self.next).payload(payload));
        self.request(payload, false).due(due)
    }

    /// What the first frame of a streaming request carries.
    pub(crate) fn first_flags(&self) -> Flags {
        match self.vector.config.no_windows {
            true => REQ | START,
            false => REQ | START | ACK_REQ,
        }
    }

    pub(crate) fn request(self, payload: &[u8], end: bool) -> Self {
        self.request_with(frame(REQ | START, 0).payload(payload), end)
    }

    /// The client opens an exchange with what `head` says.
    pub(crate) fn request_with(mut self, head: Frame, end: bool) -> Self {
        self.next += 1;
        self.act(Action::Request {
            app: head.app,
            tenant: head.tenant,
            cap: Bytes::compact(&head.cap),
            payload: Bytes::compact(&head.payload),
            lane: 0,
            end,
            comp: head.flags.has(Flags::COMP),
            e2e: head.flags.has(Flags::APP_E2E),
        })
    }

    pub(crate) fn send(self, corr: u64, code: u16, payload: &[u8], end: bool) -> Self {
        self.act(Action::Send {
            corr,
            code,
            payload: Bytes::compact(payload),
            end,
            comp: false,
            e2e: false,
        })
    }

    /// The server answers an exchange of [`APP`] without tenant, and the answer goes out.
    pub(crate) fn answer(self, corr: u64, payload: &[u8]) -> Self {
        let due = answered(corr, 200, payload);
        self.send(corr, 200, payload, true).due(due)
    }

    pub(crate) fn push(self, corr: u64, payload: &[u8]) -> Self {
        self.act(Action::Push {
            corr,
            payload: Bytes::compact(payload),
        })
    }

    pub(crate) fn fail(self, corr: u64, code: u16, reason: Option<&str>) -> Self {
        self.act(Action::Fail {
            corr,
            code,
            reason: reason.map(String::from),
            message: None,
        })
    }

    pub(crate) fn cancel(self, corr: u64, code: u16) -> Self {
        self.act(Action::Cancel { corr, code })
    }

    pub(crate) fn release(self, corr: u64) -> Self {
        self.act(Action::Release { corr })
    }

    pub(crate) fn consume(self, corr: u64, payloads: usize) -> Self {
        self.act(Action::Consume { corr, payloads })
    }
}

// What is due.
impl V {
    fn expect(&mut self) -> &mut Expect {
        match self.vector.steps.last_mut() {
            Some(step) => &mut step.expect,
            None => &mut self.vector.begin,
        }
    }

    pub(crate) fn due(mut self, due: Due) -> Self {
        self.expect().output.push(due);
        self
    }

    pub(crate) fn tells(mut self, event: Event) -> Self {
        self.expect().events.push(event);
        self
    }

    pub(crate) fn reading(mut self, reading: bool) -> Self {
        self.expect().reading = Some(reading);
        self
    }

    pub(crate) fn refused(mut self) -> Self {
        self.expect().refused = true;
        self
    }

    /// The connection ends for a fault of the peer's, who is told so.
    pub(crate) fn fatal(self, code: u16, reason: &str) -> Self {
        self.due(lost(code, reason))
            .tells(closes(Cause::Fault, code, reason))
    }

    /// The connection ends for a timer.
    pub(crate) fn times_out(self) -> Self {
        self.tells(closes(Cause::Timeout, None, "timeout"))
    }

    /// The same where the transport takes nothing.
    pub(crate) fn times_out_blocked(self) -> Self {
        self.times_out().act(Action::Unblock)
    }

    /// The connection goes on: an echo at a server, an answer at a client.
    pub(crate) fn alive(mut self) -> Self {
        self.echoes += 1;
        match self.vector.role {
            Role::Server => {
                let echo = request(ALIVE + self.echoes, b"alive");
                let corr = echo.corr;
                self.open(&echo).echo(corr, b"alive")
            }
            Role::Client => {
                let corr = self.next;
                let reply = answer(corr, b"alive");
                self.ask(b"alive?")
                    .feed(&reply)
                    .tells(crate::due::data(&reply))
            }
        }
    }

    /// The same at a client whose refused requests have given out no id.
    pub(crate) fn alive_as(mut self, next: u64) -> Self {
        self.next = next;
        self.alive()
    }

    /// The same where payloads are consumed by hand.
    pub(crate) fn alive_held(self) -> Self {
        self.alive().consume(ALIVE + 1, 1)
    }

    /// The server answers an exchange that asked for a window.
    pub(crate) fn answer_windowed(self, corr: u64, payload: &[u8]) -> Self {
        self.echo(corr, payload)
    }

    /// The same vector under another name.
    pub(crate) fn renamed(mut self, name: &str) -> Self {
        self.vector.name = name.into();
        self
    }

    /// The server answers; it may opt in to a window where its client's HELLO asks for it.
    fn echo(self, corr: u64, payload: &[u8]) -> Self {
        let due = answered(corr, 200, payload).may(ACK_REQ);
        self.send(corr, 200, payload, true).due(due)
    }

    /// Nothing is decoded and nothing is sent any more.
    pub(crate) fn dead(self) -> Self {
        match self.vector.role {
            Role::Server => self.feed(request(ALIVE, b"too late")),
            Role::Client => {
                let this = self.request(b"too late", true).refused();
                this.feed(crate::frames::control(Flags::EVENT | ACK_REQ, 0, 77))
            }
        }
    }
}

/// An exchange of [`APP`] is open at a server whose vector begins.
pub(crate) fn serving(name: impl Into<String>, clauses: &str) -> V {
    server(name, clauses).open(&frame(REQ | START, 1))
}
