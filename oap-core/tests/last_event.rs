//! Nothing comes after the event that a connection is over, also where several things end at once.

mod support;

use std::time::Duration;

use oap_core::{Connection, Event, Lane};
use support::{Endpoint, REQ, START, cancel, frame};

fn assert_closed_is_the_last(connection: &mut Connection) {
    let mut events = Vec::new();
    while let Some(event) = connection.poll_event() {
        events.push(event);
    }
    let at = events
        .iter()
        .position(|event| matches!(event, Event::Closed(_)));
    assert_eq!(at, Some(events.len() - 1), "{events:#?}");
}

// OAP-10-3 OAP-10-12
#[test]
fn a_frame_and_a_verdict_that_are_late_at_once() {
    let mut server = Endpoint::server_with(|config| config.authorize = true);
    server.feed(&frame(REQ | START, 1));
    let begun = frame(REQ | START, 2).bytes();
    server.feed_bytes(Lane::FIRST, &begun[..10]);
    let late = server.now + Duration::from_secs(7);
    server.conn.handle_timeout(late);
    assert_closed_is_the_last(&mut server.conn);
}

// OAP-10-8 OAP-11-9
#[test]
fn a_reset_lane_whose_exchanges_use_up_the_budget_of_faults() {
    let mut server = Endpoint::server();
    for corr in 1..=999 {
        server.feed(&frame(REQ | START, corr));
        server.feed(&cancel(corr, 408));
        while let Some(event) = server.conn.poll_event() {
            if let Event::Ended { id, .. } = event {
                server
                    .conn
                    .exchange(id)
                    .expect("its slot is taken")
                    .release();
            }
        }
    }
    for corr in 1_001..=1_004 {
        server.feed(&frame(REQ | START, corr));
    }
    let now = server.now;
    server.conn.handle_reset(Lane::FIRST, now);
    assert_closed_is_the_last(&mut server.conn);
}
