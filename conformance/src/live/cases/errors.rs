//! Section 9: codes and errors.

use oap_core::Reason;
use oap_core::driver::test_apps::{ECHO, STATUS};
use oap_core::wire::{ErrorBody, Flags};

use crate::live::draft::Draft;
use crate::live::peer::{Answer, Peer};
use crate::live::verdict::{Case, Step, case, ensure, fail};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-9-1", codes_of_success_are_passed_on),
    case!("OAP-9-3", errors_have_all_their_fields),
    case!("OAP-9-3", errors_of_429_and_503_tell_when_to_try_again),
    case!("OAP-9-3", a_large_corr_id_is_told_in_full),
    case!("OAP-9-4", an_error_fits_the_least_max_frame),
    case!("OAP-9-6", a_code_alone_gets_its_default_reason),
    case!("OAP-9-6", an_unknown_code_gets_the_reason_of_its_class),
    case!("OAP-9-6", an_unknown_app_is_not_found),
];

async fn status(peer: &mut Peer, corr: u64, code: u16) -> Step<Answer> {
    peer.needs(STATUS)?;
    peer.send(&Draft::request(STATUS, corr, &code.to_le_bytes()))
        .await;
    let answer = peer.answer(corr).await?;
    ensure(answer.code() == code, &format!("code {code}"), || {
        answer.responses().map(show).collect()
    })?;
    Ok(answer)
}

async fn codes_of_success_are_passed_on(peer: &mut Peer) -> Step {
    for (corr, code) in (1..).zip([0, 200, 202, 206, 299, 304, 399]) {
        status(peer, corr, code).await?;
    }
    peer.alive().await
}

async fn errors_have_all_their_fields(peer: &mut Peer) -> Step {
    // The rules of all frames judge the body.
    for (corr, code) in (1..).zip([400, 404, 500]) {
        status(peer, corr, code).await?;
    }
    peer.alive().await
}

async fn errors_of_429_and_503_tell_when_to_try_again(peer: &mut Peer) -> Step {
    for (corr, code) in (1..).zip([429, 503]) {
        status(peer, corr, code).await?;
    }
    Ok(())
}

async fn a_large_corr_id_is_told_in_full(peer: &mut Peer) -> Step {
    status(peer, u64::MAX, 404).await?;
    status(peer, (1 << 53) + 1, 404).await.map(drop)
}

async fn an_error_fits_the_least_max_frame(peer: &mut Peer) -> Step {
    peer.hello(r#"{"max_frame":4096}"#).await?;
    status(peer, 1, 500).await?;
    let frame = Draft::chunk(ECHO, 2, b"no START");
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence)
        .await
        .map(drop)
}

async fn reasons(peer: &mut Peer, due: &[(u16, Reason)]) -> Step {
    for (corr, (code, reason)) in (1..).zip(due) {
        let answer = status(peer, corr, *code).await?;
        let told = answer.responses().last();
        let body = told.and_then(|frame| ErrorBody::parse(frame.payload()));
        if body.is_none_or(|body| body.reason != (*reason).into()) {
            let came: String = told.map(show).unwrap_or_default();
            return fail(format!("{code} with the reason {reason}"), came);
        }
    }
    Ok(())
}

async fn a_code_alone_gets_its_default_reason(peer: &mut Peer) -> Step {
    reasons(
        peer,
        &[
            (400, Reason::BadRequest),
            (401, Reason::Unauthorized),
            (402, Reason::Forbidden),
            (403, Reason::Forbidden),
            (404, Reason::NotFound),
            (408, Reason::Timeout),
            (409, Reason::BadRequest),
            (413, Reason::TooLarge),
            (422, Reason::BadRequest),
            (429, Reason::RateLimited),
            (500, Reason::Internal),
            (501, Reason::Internal),
            (502, Reason::Io),
            (503, Reason::NotReady),
            (504, Reason::Timeout),
        ],
    )
    .await
}

async fn an_unknown_code_gets_the_reason_of_its_class(peer: &mut Peer) -> Step {
    reasons(
        peer,
        &[
            (418, Reason::BadRequest),
            (599, Reason::Internal),
            (700, Reason::Internal),
        ],
    )
    .await
}

async fn an_unknown_app_is_not_found(peer: &mut Peer) -> Step {
    let request = Draft::new(Flags::REQ | Flags::START | Flags::END, 0xfffe, 1).tenant(6);
    peer.send(&request).await;
    peer.refused(&request, 404, Reason::NotFound).await?;
    peer.alive().await
}
