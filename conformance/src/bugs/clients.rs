//! Clients that break one rule each, to prove that `serve` notices.
//!
//! Here the shim stands before the client of the drill: what goes up is what the client sends, what
//! comes down is what it gets to see.

use std::future::ready;
use std::io;

use oap_core::driver::ConnectionInfo;
use oap_core::driver::test_apps::SOURCE;
use oap_core::wire::Flags;
use oap_tokio::StreamTransport;
use oap_tokio::config::AnyTransport;
use tokio::io::duplex;
use tokio::sync::mpsc;

use super::server::{PIPE, Pipe, Pipes};
use super::state::{edit, is_ack, is_cancel, is_response};
use super::{Bug, shim};
use crate::live::dial::Dial;
use crate::live::draft::Draft;
use crate::live::verdict::BoxFuture;

/// The way from a client with a bug to a judge in this process.
pub struct ToJudge {
    bug: Option<&'static Bug>,
    connections: mpsc::UnboundedSender<Pipe>,
}

impl ToJudge {
    /// The way, and where the judge accepts what comes by it.
    pub fn new(bug: Option<&'static Bug>) -> (Self, Pipes) {
        let (connections, accepted) = mpsc::unbounded_channel();
        (Self { bug, connections }, Pipes(accepted))
    }
}

impl Dial for ToJudge {
    fn dial(&self) -> BoxFuture<'_, io::Result<AnyTransport>> {
        let (near, client) = duplex(PIPE);
        let (judge, far) = duplex(PIPE);
        let info = ConnectionInfo::new("pipe");
        let far = StreamTransport::new(far, info.clone());
        let sent = self.connections.send(far);
        tokio::spawn(shim::run(self.bug, client, judge));
        let transport = AnyTransport::new(StreamTransport::new(near, info));
        let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
        Box::pin(ready(sent.map(|()| transport).map_err(|_| gone())))
    }

    fn transport(&self) -> &'static str {
        "pipe"
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    BUGS.iter()
}

/// Lets the client read another number in the HELLO reply.
fn reads(frame: &mut Draft, field: &str, number: u32) {
    if frame.app == 0 && frame.code == 0 {
        edit(frame, |body| {
            if !body[field].is_null() {
                body[field] = number.into();
            }
        });
    }
}

const BUGS: &[Bug] = &[
    Bug::new(
        "version_is_ignored",
        "OAP-1-5",
        "ver of the server's frames is not checked",
    )
    .down(|_, frame, flow| flow.down(&frame.ver(1))),
    Bug::new(
        "max_frame_of_the_server_is_ignored",
        "OAP-1-8",
        "frames are as large as without a HELLO",
    )
    .down(|_, mut frame, flow| {
        reads(&mut frame, "max_frame", 1_048_576);
        flow.down(&frame);
    }),
    Bug::new("reserved_bits_are_sent", "OAP-2-1", "bit 15 is set").up(|_, frame, flow| {
        flow.up(&frame.bits(0x8000));
    }),
    Bug::new(
        "requests_of_the_server_are_ignored",
        "OAP-2-7",
        "REQ from a server is dropped silently",
    )
    .down(|_, frame, flow| {
        if !frame.flags.contains(Flags::REQ) {
            flow.down(&frame);
        }
    }),
    Bug::new("ids_count_down", "OAP-3-1", "each id is below the last")
        .up(|_, mut frame, flow| {
            if frame.app != 0 {
                frame.corr = 1_000_000 - frame.corr;
            }
            flow.up(&frame);
        })
        .down(|_, mut frame, flow| {
            if frame.app != 0 {
                frame.corr = 1_000_000 - frame.corr;
            }
            flow.down(&frame);
        }),
    Bug::new(
        "start_is_on_every_chunk",
        "OAP-3-5",
        "all frames of a request carry START",
    )
    .up(|_, frame, flow| {
        let chunk = frame.app != 0 && frame.flags.directions() == Flags::REQ;
        flow.up(&if chunk {
            frame.with(Flags::START)
        } else {
            frame
        });
    }),
    Bug::new("requests_have_a_code", "OAP-3-7", "code is 200 on REQ").up(|_, frame, flow| {
        let request = frame.app != 0 && frame.flags.contains(Flags::REQ);
        flow.up(&if request { frame.code(200) } else { frame });
    }),
    Bug::new(
        "max_inflight_of_the_server_is_ignored",
        "OAP-3-19",
        "64 exchanges are opened whatever the server says",
    )
    .down(|_, mut frame, flow| {
        reads(&mut frame, "max_inflight", 64);
        flow.down(&frame);
    }),
    Bug::new(
        "an_answer_to_nothing_is_dropped",
        "OAP-3-20",
        "RESP on an id that was never given out is ignored",
    )
    .down(|state, frame, flow| {
        let known = state.ids.get(&frame.corr).is_some_and(|seen| seen.app != 0);
        if !is_response(&frame) || known {
            flow.down(&frame);
        }
    })
    .up(|_, frame, flow| flow.up(&frame)),
    Bug::new(
        "the_tenant_of_answers_is_ignored",
        "OAP-3-21",
        "an answer of another tenant is delivered",
    )
    .down(|_, frame, flow| flow.down(&frame.tenant(0))),
    Bug::new(
        "everybody_gets_cancel",
        "OAP-4-4",
        "CANCEL goes to a server that does not list it",
    )
    .down(|_, mut frame, flow| {
        edit(&mut frame, |body| {
            if !body["features"].is_null() {
                body["features"] = serde_json::json!(["cancel"]);
            }
        });
        flow.down(&frame);
    }),
    Bug::new(
        "what_is_given_up_is_not_cancelled",
        "OAP-4-7",
        "no CANCEL is sent",
    )
    .up(|_, frame, flow| {
        if !is_cancel(&frame) {
            flow.up(&frame);
        }
    }),
    Bug::new("pings_are_not_answered", "OAP-4-11", "no PONG is sent").up(|_, frame, flow| {
        if !(frame.app == 0 && frame.flags == Flags::EVENT && frame.code == 202) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "goaway_is_ignored",
        "OAP-4-13",
        "exchanges are opened after GOAWAY",
    )
    .down(|_, frame, flow| {
        if !(frame.app == 0 && frame.corr == 0 && frame.code == 503) {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "a_reply_is_not_checked",
        "OAP-5-10",
        "a HELLO reply that breaks a rule counts as an empty one",
    )
    .down(|_, frame, flow| {
        let reply = frame.app == 0 && frame.code == 0 && frame.flags.contains(Flags::RESP);
        let bad = oap_core::wire::Hello::parse_reply(&frame.payload).is_err();
        flow.down(&if reply && bad {
            frame.payload(b"{}")
        } else {
            frame
        });
    }),
    Bug::new(
        "the_first_limit_is_the_default",
        "OAP-6-4",
        "the ack_window of the reply does not bound uploads",
    )
    .down(|_, mut frame, flow| {
        reads(&mut frame, "ack_window", 131_072);
        flow.down(&frame);
    }),
    Bug::new("no_acks_are_sent", "OAP-6-8", "an answer gets no ACK").up(|_, frame, flow| {
        if !is_ack(&frame) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "credit_is_not_checked",
        "OAP-6-13",
        "data beyond the limit is taken",
    )
    .down(|_, mut frame, flow| {
        if frame.app == SOURCE {
            frame.payload.truncate(60_000);
        }
        flow.down(&frame);
    }),
];
