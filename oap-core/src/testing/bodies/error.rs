//! The bodies of errors.

use std::string::ToString;
use std::vec::Vec;

use super::Heap;
use super::heap::Ledger;
use crate::Reason;
use crate::wire::{ErrorBody, ReasonName, write_error_body};

/// The longest body that is written: it fits the least frame.
const MAX_WRITTEN: usize = 4_063;

/// An error body: what is read can be written, in both ways where the reason is known, fits any
/// frame, and is read again as the same.
///
/// # Panics
/// If that does not hold, or the heap's bound is passed.
pub fn error(data: &[u8], heap: Heap) {
    let mut ledger = Ledger::of_body(heap);
    ledger.allow(data.len());
    let Some(body) = ledger.measure(|| ErrorBody::parse(data)) else {
        return;
    };
    let mut written = Vec::new();
    body.write(&mut written);
    assert!(written.len() <= MAX_WRITTEN);
    let read = ErrorBody::parse(&written).expect("what is written can be read");
    assert_eq!(read.retryable, body.retryable);
    assert_eq!(read.corr_id, body.corr_id);
    assert_eq!(read.retry_after_ms, body.retry_after_ms);
    assert_eq!(read.reason.to_string(), read.reason.as_str());
    match body.reason.known() {
        Some(reason) => {
            assert!(Reason::all().any(|known| known == reason));
            assert_eq!(reason.to_string(), reason.name());
            let code = reason.code();
            assert_eq!(std::format!("{code:?}"), std::format!("Code({code})"));
            assert_eq!(read.reason, ReasonName::from(reason));
            if body.retryable == reason.retryable() {
                let (corr_id, retry) = (body.corr_id, body.retry_after_ms);
                let mut again = Vec::new();
                write_error_body(&mut again, reason, &body.message, corr_id, retry);
                assert_eq!(again, written);
                let mut built = ErrorBody::new(reason, &body.message, corr_id);
                if let Some(millis) = retry {
                    built = built.with_retry_after_ms(millis);
                }
                assert_eq!(built, body);
            }
        }
        None => assert!(is_cut(body.reason.as_str(), read.reason.as_str())),
    }
    assert!(is_cut(&body.message, &read.message));
}

/// Whether `part` is all of `whole`, or as much of it as there is room for.
fn is_cut(whole: &str, part: &str) -> bool {
    // An escape takes six bytes for one.
    part == whole || (whole.len() * 6 > 256 && whole.starts_with(part))
}
