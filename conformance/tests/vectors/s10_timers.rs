//! Section 10: timers.

use oap_conformance::vectors::{Action, Cause, Event, Verdict};

use crate::build::{Section, V, client, greeting, server, serving, told};
use crate::due::{any_hello, asks, cancelled, data, ends, error, opens, pinged, ponged, welcomed};
use crate::frames::{
    ALL_FEATURES, EVENT, Edit, REQ, START, answer, chunk, control, frame, hello, ping, request,
};
use crate::s10_budgets::{SECOND, both};

pub(crate) fn add(all: &mut Section) {
    first_frames(all);
    frames(all);
    stopped(all);
    writes(all);
    idleness(all);
    pings(all);
    hellos(all);
    requests(all);
    verdicts(all);
}

fn first_frames(all: &mut Section) {
    all.add(
        server("no first frame within 5 s", "10-1")
            .advance(5 * SECOND)
            .times_out()
            .dead(),
    );
    all.add(
        server("5 s are not over yet", "10-1")
            .advance(5 * SECOND - 1)
            .alive(),
    );
    all.add(
        server("no first frame in the time that is set", "10-1")
            .timers(|timers| timers.first_frame = Some(2 * SECOND))
            .advance(2 * SECOND - 1)
            .advance(1)
            .times_out(),
    );
    all.add(
        server("one byte of the first frame is enough", "10-1 10-2")
            .advance(4 * SECOND)
            .feed(vec![33])
            .advance(5 * SECOND - 1)
            .advance(1)
            .times_out(),
    );
    all.add(
        client("a client waits for no first frame", "10-1")
            .seconds(59)
            .alive(),
    );
}

fn frames(all: &mut Section) {
    for at in [1, 3, 4, 36] {
        for endpoint in both(&format!("a frame not complete after {at} bytes"), "10-2") {
            let bytes = ping(1).bytes();
            all.add(
                endpoint
                    .feed(&bytes[..at])
                    .advance(5 * SECOND - 1)
                    .advance(1)
                    .times_out(),
            );
        }
    }
    let large = |len: usize| request(1, &vec![0; len - 33]).bytes();
    for (len, time) in [
        (65_535, 5),
        (65_536, 6),
        (131_071, 6),
        (131_072, 7),
        (1_048_576, 21),
    ] {
        all.add(
            server(format!("a frame of len {len} has {time} s"), "10-2")
                .feed(&large(len)[..40])
                .advance(time * SECOND - 1)
                .advance(1)
                .times_out(),
        );
    }
    let whole = large(100_000);
    all.add(
        server("a frame that trickles in gets no more time", "10-2")
            .feed(&whole[..37])
            .seconds(3)
            .feed(&whole[37..90_000])
            .seconds(2)
            .feed(&whole[90_000..99_000])
            .seconds(1)
            .times_out(),
    );
    all.add(
        server("a frame that is complete in time", "10-2")
            .feed(&whole[..37])
            .advance(6 * SECOND - 1)
            .feed(&whole[37..])
            .tells(opens(&request(1, &vec![0; 100_000 - 33])))
            .seconds(6)
            .alive(),
    );
    all.add(
        server("the next frame has its own time", "10-2")
            .feed(&[&ping(1).bytes()[..], &[33]].concat()[..])
            .due(ponged(1))
            .seconds(4)
            .feed(&ping(2).bytes()[1..])
            .due(ponged(2))
            .feed(vec![33])
            .advance(5 * SECOND - 1)
            .advance(1)
            .times_out(),
    );
}

/// Timers stand still while the receiver itself has stopped reading.
fn stopped(all: &mut Section) {
    let start = frame(REQ | START, 1).payload(&[1; 4_063]);
    let more = frame(REQ, 1).payload(&[2; 4_063]);
    let full = |name: &str| {
        let mut built = server(name, "10-3 6-16").max_frame(4_096);
        built = built.config(|config| config.consume = true).open(&start);
        for _ in 0..7 {
            built = built.feed(&more).tells(data(&more));
        }
        built.feed(&more).reading(false)
    };
    all.add(
        full("the idle timer stands still while reading is stopped")
            .seconds(600)
            .consume(1, 1)
            .tells(data(&more)),
    );
    let begun = request(9, b"").bytes();
    all.add(
        full("the frame timer stands still while reading is stopped")
            .feed(&begun[..9])
            .seconds(600)
            .consume(1, 8)
            .tells(data(&more))
            .feed(&begun[9..])
            .tells(opens(&request(9, b""))),
    );
    all.add(
        full("the idle timer runs again")
            .seconds(600)
            .consume(1, 1)
            .tells(data(&more))
            .advance(60 * SECOND - 1)
            .advance(1)
            .times_out(),
    );
}

fn writes(all: &mut Section) {
    for endpoint in both("no progress in writing", "10-4") {
        let blocked = endpoint.act(Action::Block).feed(ping(1));
        all.add(
            blocked
                .advance(4 * SECOND)
                .feed(ping(2))
                .advance(SECOND)
                .times_out_blocked(),
        );
    }
    for endpoint in both("nothing to write", "10-4") {
        all.add(
            endpoint
                .feed(ping(1))
                .due(ponged(1))
                .act(Action::Block)
                .seconds(50)
                .act(Action::Unblock)
                .alive(),
        );
    }
}

fn idleness(all: &mut Section) {
    for endpoint in both("idle for 60 s", "10-5") {
        let begun = endpoint.feed(ping(1)).due(ponged(1));
        all.add(begun.advance(60 * SECOND - 1).advance(1).times_out().dead());
    }
    for endpoint in both("a whole frame ends idleness", "10-5") {
        let begun = endpoint.feed(ping(1)).due(ponged(1)).seconds(59);
        let again = begun.feed(ping(2)).due(ponged(2));
        all.add(again.advance(60 * SECOND - 1).advance(1).times_out());
    }
    for endpoint in both("bytes of a frame do not end idleness", "10-5 10-2") {
        let begun = endpoint.feed(ping(1)).due(ponged(1)).seconds(58);
        all.add(begun.feed(vec![33]).seconds(2).times_out());
    }
    for endpoint in both("idle for the time that is set", "10-5") {
        let set = endpoint.timers(|timers| timers.idle = Some(3 * SECOND));
        all.add(
            set.feed(ping(1))
                .due(ponged(1))
                .advance(3 * SECOND - 1)
                .advance(1)
                .times_out(),
        );
    }
    all.add(
        serving("an open exchange does not end idleness", "10-5")
            .seconds(60)
            .times_out(),
    );
    all.add(
        serving("what is sent does not end idleness", "10-5")
            .seconds(50)
            .push(1, b"x")
            .due(crate::due::pushed(1, b"x"))
            .seconds(10)
            .times_out(),
    );
    all.add(
        server("an ignored frame ends idleness", "10-5 4-3")
            .feed(control(EVENT, 1, 1))
            .seconds(59)
            .feed(control(EVENT, 1, 1))
            .seconds(59)
            .alive(),
    );
}

/// A PING at half of the idle time.
fn pings(all: &mut Section) {
    let knows = |name: &str, reply: &str| told(name, "10-5 4-4", reply);
    let ping_only = r#"{"features":["ping"]}"#;
    all.add(
        knows("a PING after 30 s", ping_only)
            .advance(30 * SECOND - 1)
            .advance(1)
            .due(pinged())
            .act(Action::Pong)
            .tells(Event::Pong)
            .advance(30 * SECOND - 1)
            .advance(1)
            .due(pinged()),
    );
    all.add(
        knows("one PING, then idle", ping_only)
            .advance(30 * SECOND)
            .due(pinged())
            .advance(30 * SECOND)
            .times_out(),
    );
    all.add(
        knows(
            "a PING after half of the peer's shorter time",
            r#"{"features":["ping"],"idle_timeout_ms":10000}"#,
        )
        .advance(5 * SECOND - 1)
        .advance(1)
        .due(pinged()),
    );
    all.add(
        knows(
            "a longer time of the peer's changes nothing",
            r#"{"features":["ping"],"idle_timeout_ms":600000}"#,
        )
        .advance(30 * SECOND - 1)
        .advance(1)
        .due(pinged()),
    );
    all.add(
        knows("a frame puts the PING off", ping_only)
            .seconds(20)
            .feed(ping(4))
            .due(ponged(4))
            .advance(30 * SECOND - 1)
            .advance(1)
            .due(pinged()),
    );
    all.add(
        server("a server sends PING, too", "10-5 4-4")
            .feed(hello(ping_only))
            .tells(any_hello())
            .due(welcomed(0, "{}"))
            .advance(30 * SECOND)
            .due(pinged())
            .act(Action::Pong)
            .tells(Event::Pong),
    );
    all.add(
        knows(
            "no PING to a peer without it",
            r#"{"features":["cancel","goaway"]}"#,
        )
        .seconds(59)
        .alive(),
    );
}

fn hellos(all: &mut Section) {
    let late = |name: &str| greeting(name, "10-6");
    all.add(
        late("a HELLO not answered in 5 s")
            .advance(5 * SECOND - 1)
            .advance(1)
            .times_out()
            .dead(),
    );
    all.add(
        late("a HELLO answered in time")
            .advance(5 * SECOND - 1)
            .hears("{}")
            .seconds(50)
            .alive(),
    );
    all.add(
        late("other frames do not answer a HELLO")
            .seconds(4)
            .feed(ping(1))
            .due(ponged(1))
            .seconds(1)
            .times_out(),
    );
    all.add(
        late("a HELLO has the time that is set")
            .timers(|timers| timers.hello = Some(SECOND))
            .advance(SECOND)
            .times_out(),
    );
}

fn requests(all: &mut Section) {
    let timed_out = || ends(1, Cause::Timeout, None, "timeout");
    let known = |name: &str| told(name, "10-7", ALL_FEATURES).ask(b"x");
    all.add(
        known("a request not answered in 10 s")
            .advance(10 * SECOND - 1)
            .advance(1)
            .due(cancelled(1, 408, "timeout"))
            .tells(timed_out())
            .feed(answer(1, b"late"))
            .alive(),
    );
    let part = chunk(1, b"part");
    all.add(
        known("an answer that has not ended in 10 s")
            .seconds(9)
            .feed(&part)
            .tells(data(&part))
            .seconds(1)
            .due(cancelled(1, 408, "timeout"))
            .tells(timed_out()),
    );
    all.add(
        client("a request that times out without CANCEL", "10-7 3-18")
            .ask(b"x")
            .seconds(10)
            .tells(timed_out())
            .feed(answer(1, b"late"))
            .alive(),
    );
    all.add(
        client("a streaming request has no timer", "10-7")
            .stream(b"x")
            .seconds(50)
            .feed(answer(1, b"y"))
            .tells(data(&answer(1, b"y"))),
    );
    all.add(
        client("a request has the time that is set", "10-7")
            .timers(|timers| timers.request = Some(3 * SECOND))
            .ask(b"x")
            .advance(3 * SECOND - 1)
            .advance(1)
            .tells(timed_out()),
    );
    all.add(
        client("each request has its own time", "10-7")
            .ask(b"x")
            .seconds(6)
            .ask(b"x")
            .seconds(4)
            .tells(timed_out())
            .seconds(6)
            .tells(ends(2, Cause::Timeout, None, "timeout")),
    );
}

fn verdicts(all: &mut Section) {
    let start = request(1, b"").cap(b"cap");
    let parked = |name: &str| {
        server(name, "10-12 3-22")
            .config(|config| config.verifier = true)
            .feed(&start)
            .tells(asks(&start))
    };
    let late = |built: V| {
        built
            .due(error(&start, 504, "timeout"))
            .tells(ends(1, Cause::Timeout, None, "timeout"))
    };
    all.add(late(
        parked("no verdict within 5 s")
            .advance(5 * SECOND - 1)
            .advance(1),
    ));
    all.add(late(
        parked("no verdict within the time that is set")
            .timers(|timers| timers.verdict = Some(SECOND))
            .advance(SECOND),
    ));
    let allow = || Action::Authorize {
        corr: 1,
        verdict: Verdict::Allow,
    };
    all.add(
        parked("a verdict in time")
            .advance(5 * SECOND - 1)
            .act(allow())
            .tells(opens(&start)),
    );
    all.add(
        late(parked("a verdict that comes too late").seconds(5))
            .act(allow())
            .refused(),
    );
}
