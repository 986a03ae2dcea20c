//! Judges payloads by what they mean.

use serde_json::Value;

use super::super::reasons::retryable;
use super::super::{Ack, Bytes, DueBody, Frame, HelloBody};

/// The longest error body and HELLO body.
const MAX_JSON: usize = 4_096;

/// Whether the payload of `frame` is what is due.
pub(super) fn check(due: &DueBody, frame: &Frame) -> Result<(), String> {
    match due {
        DueBody::Payload(bytes) => check_bytes(&bytes.expand(), &frame.payload),
        DueBody::Error(reason) => check_error(reason, frame),
        DueBody::ErrorOrEmpty(_) if frame.payload.is_empty() => Ok(()),
        DueBody::ErrorOrEmpty(reason) => check_error(reason, frame),
        DueBody::Hello(members) => check_hello(members, &frame.payload),
        DueBody::Ack(due) => check_ack(*due, &frame.payload),
        DueBody::Zlib(plain) => check_zlib(plain, &frame.payload),
    }
}

/// The two numbers of an ACK.
pub(super) fn ack_numbers(payload: &[u8]) -> Option<(u64, u64)> {
    let (consumed, limit) = payload.split_first_chunk::<8>()?;
    let limit = <[u8; 8]>::try_from(limit).ok()?;
    Some((u64::from_le_bytes(*consumed), u64::from_le_bytes(limit)))
}

pub(super) fn check_bytes(due: &[u8], got: &[u8]) -> Result<(), String> {
    if due == got {
        return Ok(());
    }
    let at = due.iter().zip(got).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} bytes are due and {} came; they differ from byte {at} on",
        due.len(),
        got.len()
    ))
}

/// An error body exactly as OAP-9-3, OAP-9-4 and OAP-9-6 say.
fn check_error(reason: &str, frame: &Frame) -> Result<(), String> {
    let object = object(&frame.payload)?;
    let is = |key: &str, value: Value| match object.get(key) {
        Some(got) if *got == value => Ok(()),
        got => Err(format!("`{key}` of the error body is {got:?}, not {value}")),
    };
    is("code", reason.into())?;
    let known = retryable(reason).ok_or_else(|| format!("{reason} is on no list"))?;
    is("retryable", known.into())?;
    is("corr_id", frame.corr.to_string().into())?;
    if !object.get("message").is_some_and(Value::is_string) {
        return Err("the error body has no `message`".into());
    }
    let wants_time = frame.code == 429 || frame.code == 503;
    if wants_time && !object.get("retry_after_ms").is_some_and(Value::is_u64) {
        return Err("the error body has no `retry_after_ms`".into());
    }
    Ok(())
}

fn check_hello(members: &HelloBody, payload: &[u8]) -> Result<(), String> {
    if members.is_empty() && payload.is_empty() {
        return Ok(());
    }
    let object = object(payload)?;
    for (key, due) in members {
        if object.get(key) != Some(due) {
            let got = object.get(key);
            return Err(format!("`{key}` of the HELLO is {got:?}, not {due}"));
        }
    }
    Ok(())
}

fn check_ack(due: Ack, payload: &[u8]) -> Result<(), String> {
    let (consumed, limit) = ack_numbers(payload).ok_or("the ACK has no 16 bytes")?;
    let most = due.most.unwrap_or(u64::MAX);
    if consumed == due.consumed && (due.limit..=most).contains(&limit) {
        return Ok(());
    }
    Err(format!(
        "the ACK says {consumed} consumed, limit {limit}; due are {} and {} to {most}",
        due.consumed, due.limit
    ))
}

fn check_zlib(plain: &Bytes, payload: &[u8]) -> Result<(), String> {
    use std::io::Read;
    let plain = plain.expand();
    let mut decoder = flate2::read::ZlibDecoder::new(payload);
    let mut got = Vec::new();
    let bound = plain.len() as u64 + 1;
    let read = decoder.by_ref().take(bound).read_to_end(&mut got);
    read.map_err(|error| format!("no zlib stream: {error}"))?;
    if decoder.total_in() != payload.len() as u64 {
        return Err("bytes follow the zlib stream".into());
    }
    check_bytes(&plain, &got)
}

fn object(payload: &[u8]) -> Result<serde_json::Map<String, Value>, String> {
    if payload.len() > MAX_JSON {
        return Err(format!("a JSON body of {} bytes", payload.len()));
    }
    match serde_json::from_slice(payload) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the body is no JSON object".into()),
        Err(error) => Err(format!("the body is no JSON: {error}")),
    }
}
