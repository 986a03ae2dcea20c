//! Judges the frames of one step.

use super::super::{Due, DueBody, Flags, Frame, Output};
use super::{Mismatch, body};

/// A frame that was sent.
struct Sent {
    lane: u16,
    frame: Frame,
}

/// Whether these bytes are the frames that are due, all of them and no others.
pub(super) fn check(due: &[Due], output: &[Output]) -> Result<(), Mismatch> {
    let mut sent = frames(output)?;
    check_last(&sent)?;
    keep_newest_acks(&mut sent)?;
    for due in due {
        take(due, &mut sent)?;
    }
    match sent.first() {
        Some(Sent { lane, frame }) => Err(Mismatch(format!(
            "a frame that is not due, on lane {lane}: {frame:?}"
        ))),
        None => Ok(()),
    }
}

/// The frames in the output, in the order in which each lane has them.
fn frames(output: &[Output]) -> Result<Vec<Sent>, Mismatch> {
    let mut lanes: Vec<u16> = output.iter().map(|piece| piece.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let mut sent = Vec::new();
    for lane in lanes {
        let pieces = output.iter().filter(|piece| piece.lane == lane);
        let bytes: Vec<u8> = pieces.flat_map(|piece| piece.bytes.expand()).collect();
        let mut rest = &bytes[..];
        loop {
            match Frame::take(&mut rest) {
                Ok(Some(frame)) => sent.push(Sent { lane, frame }),
                Ok(None) if rest.is_empty() => break,
                Ok(None) => {
                    let left = rest.len();
                    return Err(Mismatch(format!(
                        "lane {lane} ends with {left} bytes of a frame"
                    )));
                }
                Err(fault) => return Err(Mismatch(format!("lane {lane}: {fault}"))),
            }
        }
    }
    Ok(sent)
}

/// A connection error frame is the last one (OAP-1-9).
fn check_last(sent: &[Sent]) -> Result<(), Mismatch> {
    for pair in sent.windows(2).filter(|pair| pair[0].lane == pair[1].lane) {
        let frame = &pair[0].frame;
        let error = frame.flags.has(Flags::RESP | Flags::END) && frame.code >= 400;
        let of_hello = String::from_utf8_lossy(&frame.payload).contains("bad_hello");
        if error && frame.app == 0 && frame.corr == 0 && !of_hello {
            return Err(Mismatch(format!(
                "after a connection error frame came {:?}",
                pair[1].frame
            )));
        }
    }
    Ok(())
}

/// ACKs of one exchange may come one by one or as one (OAP-6-11): the last of a step is judged, and
/// that none goes back.
fn keep_newest_acks(sent: &mut Vec<Sent>) -> Result<(), Mismatch> {
    let mut newest: Vec<(u16, u64, u64, u64)> = Vec::new();
    let mut kept: Vec<Sent> = Vec::new();
    for one in sent.drain(..).rev() {
        let frame = &one.frame;
        let is_ack = frame.app == 0 && frame.corr != 0 && frame.code == 202;
        if !(is_ack && frame.flags.has(Flags::RESP)) {
            kept.push(one);
            continue;
        }
        let (consumed, limit) = body::ack_numbers(&frame.payload)
            .ok_or_else(|| Mismatch(format!("an ACK without its numbers: {frame:?}")))?;
        let of_same = |seen: &&(u16, u64, u64, u64)| (seen.0, seen.1) == (one.lane, frame.corr);
        match newest.iter().find(of_same) {
            Some(later) if consumed > later.2 || limit > later.3 => {
                return Err(Mismatch(format!(
                    "the ACKs of exchange {} go back",
                    frame.corr
                )));
            }
            Some(_) => {}
            None => {
                newest.push((one.lane, frame.corr, consumed, limit));
                kept.push(one);
            }
        }
    }
    kept.reverse();
    *sent = kept;
    Ok(())
}

/// Takes what is due out of what was sent.
fn take(due: &Due, sent: &mut Vec<Sent>) -> Result<(), Mismatch> {
    let first = position(due, sent)
        .ok_or_else(|| Mismatch(format!("a frame is missing: {due:?}; sent: {}", list(sent))))?;
    if due.split {
        return take_split(due, sent, first);
    }
    let frame = sent.remove(first).frame;
    let wrong = |what: String| Mismatch(format!("{what}; due is {due:?}; sent: {frame:?}"));
    check_head(due, &frame, due.flags, due.may).map_err(wrong)?;
    body::check(&due.body, &frame).map_err(wrong)?;
    match &due.hex {
        Some(hex) => body::check_bytes(&hex.expand(), &frame.bytes()).map_err(wrong),
        None => Ok(()),
    }
}

/// Takes all frames of a message that may have been split.
fn take_split(due: &Due, sent: &mut Vec<Sent>, first: usize) -> Result<(), Mismatch> {
    let DueBody::Payload(payload) = &due.body else {
        return Err(Mismatch("only plain payloads are split".into()));
    };
    let payload = payload.expand();
    let (mut joined, mut at, mut is_first) = (Vec::new(), Some(first), true);
    loop {
        let Some(index) = at else {
            let came = joined.len();
            return Err(Mismatch(format!("{came} bytes came of {due:?}")));
        };
        let frame = sent.remove(index).frame;
        let wrong = |what: String| Mismatch(format!("{what}; due is {due:?}; sent: {frame:?}"));
        joined.extend_from_slice(&frame.payload);
        let ended = frame.flags.has(Flags::END);
        let last = ended || (!due.flags.has(Flags::END) && joined.len() >= payload.len());
        let (flags, may) = chunk_flags(due, is_first, last);
        check_head(due, &frame, flags, may).map_err(wrong)?;
        is_first = false;
        if last {
            return body::check_bytes(&payload, &joined)
                .map_err(|what| Mismatch(format!("{what}; due is {due:?}")));
        }
        at = position(due, sent);
    }
}

/// START only on the first, END only on the last; ACK_REQ opts in on the first and may ask later.
fn chunk_flags(due: &Due, first: bool, last: bool) -> (Flags, Flags) {
    let (mut flags, mut may) = (due.flags, due.may);
    if !first {
        flags = flags.without(Flags::START | Flags::ACK_REQ);
        may = may.without(Flags::START) | Flags::ACK_REQ;
    }
    if !last {
        flags = flags.without(Flags::END);
    }
    (flags, may)
}

fn position(due: &Due, sent: &[Sent]) -> Option<usize> {
    sent.iter().position(|one| {
        let corr = if due.any_corr {
            one.frame.corr != 0 && one.frame.flags.has(due.flags)
        } else {
            one.frame.corr == due.corr
        };
        let lane = due.any_lane || one.lane == due.lane;
        lane && one.frame.app == due.app && corr
    })
}

fn check_head(due: &Due, frame: &Frame, flags: Flags, may: Flags) -> Result<(), String> {
    let surplus = frame.flags.without(flags).without(may);
    if !frame.flags.has(flags) || !surplus.is_empty() {
        return Err("the flags are wrong".into());
    }
    if frame.code != due.code {
        return Err("the code is wrong".into());
    }
    if frame.tenant != due.tenant {
        return Err("the tenant is wrong".into());
    }
    let cap = if flags.has(Flags::START) {
        due.cap.expand()
    } else {
        Vec::new()
    };
    if frame.cap != cap {
        return Err("the capability is wrong".into());
    }
    let len = 33 + frame.cap.len() + frame.payload.len();
    match due.max_len {
        Some(most) if len > most as usize => Err(format!("a len of {len}")),
        _ => Ok(()),
    }
}

fn list(sent: &[Sent]) -> String {
    let frames: Vec<String> = sent.iter().map(|one| format!("{:?}", one.frame)).collect();
    match frames.is_empty() {
        true => "nothing".into(),
        false => frames.join("; "),
    }
}
