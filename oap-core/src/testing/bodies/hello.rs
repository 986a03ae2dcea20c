//! The bodies of HELLO.

use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use super::Heap;
use super::heap::Ledger;
use crate::Reason;
use crate::wire::{Hello, MAX_FRAME, ReplyFacts};

/// The longest body that is read.
const MAX_BODY: usize = 4_096;
/// The longest body that is written is shorter.
const MAX_WRITTEN: usize = 3_072;
/// Names are cut at this length on their way out.
const AGENT_ROOM: usize = 1_024;
/// And the policy on post-quantum key exchange at this one.
const PQ_ROOM: usize = 256;

/// A HELLO request or reply, as the first byte says: a fault has its text and the one reason there
/// is; what is read stays the same with white space around it, and can be written and read again.
///
/// # Panics
/// If that does not hold, or the heap's bound is passed.
pub fn hello(data: &[u8], heap: Heap) {
    let Some((&kind, body)) = data.split_first() else {
        return;
    };
    let reply = kind & 1 == 1;
    let parse = if reply {
        Hello::parse_reply
    } else {
        Hello::parse_request
    };
    let mut ledger = Ledger::of_body(heap);
    ledger.allow(body.len());
    let hello = match ledger.measure(|| parse(body)) {
        Ok(hello) => hello,
        Err(fault) => {
            assert_eq!(fault.reason(), Reason::BadHello);
            assert_eq!(fault.code(), Reason::BadHello.code());
            return assert!(!fault.to_string().is_empty());
        }
    };
    assert!(body.len() <= MAX_BODY);
    if !body.is_empty() && body.len() + 2 <= MAX_BODY {
        let spaced = [b" ", body, b"\n"].concat();
        assert_eq!(parse(&spaced).as_ref(), Ok(&hello), "white space counts");
    }
    if reply {
        comes_back_as_reply(hello);
    } else {
        comes_back_as_request(hello);
    }
}

fn comes_back_as_request(mut hello: Hello) {
    let mut written = Vec::new();
    hello.write_request(&mut written);
    assert!(written.len() < MAX_WRITTEN);
    let read = Hello::parse_request(&written).expect("what is written can be read");
    cut(&mut hello.agent, &read.agent, AGENT_ROOM);
    assert_eq!(read, hello);
}

fn comes_back_as_reply(mut hello: Hello) {
    let agent = hello.agent.take().unwrap_or_default();
    let transports = [&agent, "tls"];
    let facts = ReplyFacts {
        server_version: &agent,
        transports: &transports[..2 * usize::from(!agent.is_empty())],
    };
    let mut written = Vec::new();
    hello.write_reply(&facts, &mut written);
    assert!(written.len() < MAX_WRITTEN);
    let read = Hello::parse_reply(&written).expect("what is written can be read");
    hello.agent = Some(agent);
    // A reply always says these two.
    hello.max_frame = Some(hello.max_frame.unwrap_or(MAX_FRAME));
    hello.max_inflight = Some(hello.max_inflight.unwrap_or(64));
    cut(&mut hello.agent, &read.agent, AGENT_ROOM);
    cut(&mut hello.pq, &read.pq, PQ_ROOM);
    assert_eq!(read, hello);
}

/// Puts what was read in place of a text that may have been cut to `room` bytes on its way out.
fn cut(text: &mut Option<Box<str>>, read: &Option<Box<str>>, room: usize) {
    // An escape takes six bytes for one.
    if let (Some(whole), Some(part)) = (&*text, read) {
        if whole.len() * 6 > room && !part.is_empty() && whole.starts_with(&**part) {
            text.clone_from(read);
        }
    }
}
