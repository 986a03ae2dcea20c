//! What is not as it is due is noticed.

use super::super::{Ack, Bytes, Cause, Due, DueBody, Event, Expect, Flags, Frame, Output, Report};
use super::check;

fn answer(payload: &[u8]) -> Frame {
    Frame {
        flags: Flags::RESP | Flags::END,
        code: 200,
        app: 7,
        corr: 1,
        payload: payload.to_vec(),
        ..Frame::default()
    }
}

fn due(frame: &Frame) -> Due {
    Due {
        flags: frame.flags,
        code: frame.code,
        app: frame.app,
        tenant: frame.tenant,
        corr: frame.corr,
        body: DueBody::Payload(Bytes::plain(&frame.payload)),
        ..Due::default()
    }
}

fn judge(due: Vec<Due>, sent: &[Frame]) -> Result<(), String> {
    let expect = Expect {
        output: due,
        ..Expect::default()
    };
    let bytes: Vec<u8> = sent.iter().flat_map(Frame::bytes).collect();
    let bytes = Bytes::plain(&bytes);
    let report = Report {
        output: vec![Output { lane: 0, bytes }],
        ..Report::default()
    };
    check(&expect, &report).map_err(|mismatch| mismatch.0)
}

#[track_caller]
fn passes(due: Vec<Due>, sent: &[Frame]) {
    assert_eq!(judge(due, sent), Ok(()));
}

#[track_caller]
fn fails(due: Vec<Due>, sent: &[Frame], why: &str) {
    let error = judge(due, sent).expect_err("it is not as it is due");
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_frame_is_compared_field_by_field() {
    let right = answer(b"x");
    passes(vec![due(&right)], std::slice::from_ref(&right));
    fails(vec![due(&right)], &[], "missing");
    fails(vec![], std::slice::from_ref(&right), "not due");
    let change = |change: &dyn Fn(&mut Frame)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        wrong
    };
    let wrong = [
        (change(&|frame| frame.flags = Flags::RESP), "flags"),
        (change(&|frame| frame.flags.0 |= 0x100), "flags"),
        (change(&|frame| frame.code = 201), "code"),
        (change(&|frame| frame.tenant = 1), "tenant"),
        (change(&|frame| frame.payload.push(0)), "differ"),
        (change(&|frame| frame.app = 8), "missing"),
        (change(&|frame| frame.corr = 2), "missing"),
    ];
    for (frame, why) in wrong {
        fails(vec![due(&right)], &[frame], why);
    }
}

#[test]
fn half_a_frame_is_no_output() {
    let expect = Expect::default();
    let bytes = Bytes::plain(&answer(b"x").bytes()[..20]);
    let report = Report {
        output: vec![Output { lane: 0, bytes }],
        ..Report::default()
    };
    assert!(check(&expect, &report).is_err());
}

#[test]
fn a_message_may_come_in_several_frames() {
    let whole = answer(b"abcdef");
    let split = || Due {
        split: true,
        max_len: Some(36),
        ..due(&whole)
    };
    let part = |payload: &[u8], flags| Frame {
        flags,
        ..answer(payload)
    };
    let (first, last) = (part(b"abc", Flags::RESP), part(b"def", whole.flags));
    passes(vec![split()], &[first.clone(), last.clone()]);
    fails(vec![split()], std::slice::from_ref(&whole), "len");
    fails(vec![split()], std::slice::from_ref(&first), "3 bytes came");
    fails(vec![split()], &[last, first.clone()], "differ");
    let wrong = part(b"def", whole.flags | Flags::START);
    fails(vec![split()], &[first, wrong], "flags");
}

#[test]
fn an_error_body_is_whole() {
    let error = |body: &str| Frame {
        code: 429,
        ..answer(body.as_bytes())
    };
    let wanted = || {
        let mut due = due(&error(""));
        due.body = DueBody::Error("flood".into());
        vec![due]
    };
    let good =
        r#"{"code":"flood","message":"m","retryable":true,"corr_id":"1","retry_after_ms":5}"#;
    passes(wanted(), &[error(good)]);
    let wrong = [
        good.replace("flood", "rate_limited"),
        good.replace("true", "false"),
        good.replace("\"1\"", "1"),
        good.replace("\"1\"", "\"2\""),
        good.replace(",\"retry_after_ms\":5", ""),
        good.replace("\"message\":\"m\",", ""),
        "[]".into(),
        String::new(),
    ];
    for body in wrong {
        assert!(judge(wanted(), &[error(&body)]).is_err(), "{body}");
    }
}

#[test]
fn the_last_ack_is_judged_and_none_goes_back() {
    let ack = |consumed: u64, limit: u64| Frame {
        flags: Flags::RESP,
        code: 202,
        corr: 3,
        payload: [consumed.to_le_bytes(), limit.to_le_bytes()].concat(),
        ..Frame::default()
    };
    let wanted = || {
        let mut due = due(&ack(0, 0));
        due.body = DueBody::Ack(Ack {
            consumed: 9,
            limit: 20,
            most: Some(30),
        });
        vec![due]
    };
    passes(wanted(), &[ack(9, 20)]);
    passes(wanted(), &[ack(4, 15), ack(9, 25)]);
    for wrong in [ack(8, 20), ack(10, 20), ack(9, 19), ack(9, 31)] {
        assert!(judge(wanted(), &[wrong]).is_err());
    }
    fails(wanted(), &[ack(10, 20), ack(9, 20)], "go back");
    fails(wanted(), &[ack(4, 25), ack(9, 20)], "go back");
}

#[test]
fn nothing_follows_a_connection_error_frame() {
    let body = r#"{"code":"bad_frame","message":"m","retryable":false,"corr_id":"0"}"#;
    let error = Frame {
        code: 400,
        app: 0,
        corr: 0,
        ..answer(body.as_bytes())
    };
    let mut lost = due(&error);
    lost.body = DueBody::Error("bad_frame".into());
    let other = answer(b"x");
    passes(
        vec![due(&other), lost.clone()],
        &[other.clone(), error.clone()],
    );
    fails(
        vec![due(&other), lost],
        &[error, other],
        "after a connection error",
    );
}

#[test]
fn events_come_in_order_and_whole() {
    let closed = |cause, code, reason: &str| Event::Closed {
        cause,
        code,
        reason: reason.into(),
    };
    let judge = |due: Vec<Event>, got: Vec<Event>| {
        let expect = Expect {
            events: due,
            ..Expect::default()
        };
        let report = Report {
            events: got,
            ..Report::default()
        };
        check(&expect, &report).is_ok()
    };
    let (a, b) = (Event::NoHello, closed(Cause::Fault, Some(400), "bad_frame"));
    assert!(judge(
        vec![a.clone(), b.clone()],
        vec![a.clone(), b.clone()]
    ));
    assert!(!judge(
        vec![a.clone(), b.clone()],
        vec![b.clone(), a.clone()]
    ));
    assert!(!judge(vec![a.clone(), b.clone()], vec![a.clone()]));
    assert!(!judge(vec![a.clone()], vec![a, b.clone()]));
    for wrong in [
        closed(Cause::Peer, Some(400), "bad_frame"),
        closed(Cause::Fault, Some(413), "bad_frame"),
        closed(Cause::Fault, Some(400), "too_large"),
    ] {
        assert!(!judge(vec![b.clone()], vec![wrong]));
    }
    assert!(judge(vec![closed(Cause::Fault, None, "")], vec![b]));
}

#[test]
fn reading_and_refusal_are_looked_at() {
    let expect = |reading, refused| Expect {
        reading,
        refused,
        ..Expect::default()
    };
    let report = |paused, refused| Report {
        paused,
        refused,
        ..Report::default()
    };
    assert!(check(&expect(None, false), &report(true, false)).is_ok());
    assert!(check(&expect(Some(false), false), &report(true, false)).is_ok());
    assert!(check(&expect(Some(true), false), &report(true, false)).is_err());
    assert!(check(&expect(Some(false), false), &report(false, false)).is_err());
    assert!(check(&expect(None, true), &report(false, false)).is_err());
    assert!(check(&expect(None, false), &report(false, true)).is_err());
}
