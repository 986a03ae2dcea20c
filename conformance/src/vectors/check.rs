//! Compares what an endpoint reported with what is due.

mod body;
mod output;
#[cfg(test)]
mod tests;

use super::{Cause, Event, Expect, Report};

/// What was not as it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub String);

/// Judges one step.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check(expect: &Expect, report: &Report) -> Result<(), Mismatch> {
    if expect.refused != report.refused {
        let (due, got) = (said(expect.refused), said(report.refused));
        return Err(Mismatch(format!("the command was {got}, due is {due}")));
    }
    output::check(&expect.output, &report.output)?;
    check_events(&expect.events, &report.events)?;
    match expect.reading {
        Some(reading) if reading == report.paused => Err(Mismatch(format!(
            "the endpoint is {}reading",
            if report.paused { "not " } else { "" }
        ))),
        _ => Ok(()),
    }
}

fn said(refused: bool) -> &'static str {
    if refused { "refused" } else { "taken" }
}

fn check_events(due: &[Event], got: &[Event]) -> Result<(), Mismatch> {
    for (due, got) in due.iter().zip(got) {
        if !matches(due, got) {
            return Err(Mismatch(format!("event: due is {due:?}, got {got:?}")));
        }
    }
    if let Some(missing) = due.get(got.len()) {
        return Err(Mismatch(format!("no event came, due is {missing:?}")));
    }
    match got.get(due.len()) {
        Some(surplus) => Err(Mismatch(format!("an event that is not due: {surplus:?}"))),
        None => Ok(()),
    }
}

/// What a vector leaves out of a HELLO, of an end or of a GOAWAY is not looked at.
fn matches(due: &Event, got: &Event) -> bool {
    fn agrees<T: PartialEq>(due: &Option<T>, got: &Option<T>) -> bool {
        due.is_none() || due == got
    }
    match (due, got) {
        (
            Event::Hello {
                max_frame,
                max_inflight,
                ack_window,
                features,
                comp,
            },
            Event::Hello {
                max_frame: got_frame,
                max_inflight: got_inflight,
                ack_window: got_window,
                features: got_features,
                comp: got_comp,
            },
        ) => {
            agrees(max_frame, got_frame)
                && agrees(max_inflight, got_inflight)
                && agrees(ack_window, got_window)
                && agrees(features, got_features)
                && agrees(comp, got_comp)
        }
        (
            Event::GoAway {
                code,
                retry_after_ms,
            },
            Event::GoAway {
                code: got_code,
                retry_after_ms: got_after,
            },
        ) => code == got_code && agrees(retry_after_ms, got_after),
        (
            Event::Ended {
                corr,
                cause,
                code,
                reason,
            },
            Event::Ended {
                corr: got_corr,
                cause: got_cause,
                code: got_code,
                reason: got_reason,
            },
        ) => {
            corr == got_corr && ends_alike((cause, code, reason), (got_cause, got_code, got_reason))
        }
        (
            Event::Closed {
                cause,
                code,
                reason,
            },
            Event::Closed {
                cause: got_cause,
                code: got_code,
                reason: got_reason,
            },
        ) => ends_alike((cause, code, reason), (got_cause, got_code, got_reason)),
        (due, got) => due == got,
    }
}

type End<'a> = (&'a Cause, &'a Option<u16>, &'a String);

fn ends_alike(due: End<'_>, got: End<'_>) -> bool {
    due.0 == got.0 && (due.1.is_none() || due.1 == got.1) && (due.2.is_empty() || due.2 == got.2)
}
