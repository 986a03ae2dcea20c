//! Section 6: windows.

use oap_core::Reason;
use oap_core::driver::test_apps::{SINK, SOURCE};
use oap_core::wire::{Flags, Frame};
use serde_json::json;

use crate::live::draft::{Draft, pattern};
use crate::live::serve::judge::Judge;
use crate::live::verdict::{Case, Step, case, ensure, fail, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Judge>] = &[
    case!("OAP-6-1", an_upload_stops_at_its_limit),
    case!("OAP-6-4", the_first_limit_is_the_ack_window_of_the_reply),
    case!("OAP-6-7", an_upload_goes_on_when_an_ack_raises_the_limit),
    case!("OAP-6-8", half_a_window_brings_an_ack),
    case!("OAP-6-8", a_later_frame_with_ack_req_brings_an_ack),
    case!("OAP-6-9", acks_grant_at_least_a_window_and_never_go_back),
    case!("OAP-6-13", an_answer_beyond_the_window_is_given_up),
    case!("OAP-6-14", an_ack_of_15_bytes_is_fatal),
    case!("OAP-6-14", an_ack_for_bytes_never_sent_is_fatal),
    case!("OAP-6-15", an_ack_of_an_id_never_given_out_is_fatal),
];

/// A windowed upload under way.
struct Upload {
    corr: u64,
    got: u64,
    ended: bool,
}

impl Upload {
    async fn begin(judge: &mut Judge, window: u64, bytes: u64) -> Step<Self> {
        judge.welcome(json!({"ack_window": window})).await?;
        let first = judge.upload(bytes).await?;
        if !first.header.flags.contains(Flags::ACK_REQ) {
            return skip("the client's uploads are not windowed");
        }
        Ok(Self {
            corr: first.header.corr_id,
            got: first.payload().len() as u64,
            ended: first.header.flags.contains(Flags::END),
        })
    }

    fn take(&mut self, frame: &Frame) {
        self.got += frame.payload().len() as u64;
        self.ended = frame.header.flags.contains(Flags::END);
    }

    /// Reads until the limit is used up; no byte beyond it may come.
    async fn until(&mut self, judge: &mut Judge, limit: u64) -> Step {
        while self.got < limit && !self.ended {
            let frame = judge.next("more of the upload").await?;
            let fits = frame.header.corr_id == self.corr && frame.header.app_proto_id == SINK;
            ensure(fits, "more of the upload", || show(&frame))?;
            self.take(&frame);
        }
        let due = format!("{limit} bytes of payload and no more");
        ensure(self.got <= limit, &due, || format!("{} bytes", self.got))
    }
}

async fn an_upload_stops_at_its_limit(judge: &mut Judge) -> Step {
    let mut upload = Upload::begin(judge, 131_072, 500_000).await?;
    upload.until(judge, 131_072).await?;
    judge.quiet("nothing more without credit").await
}

async fn the_first_limit_is_the_ack_window_of_the_reply(judge: &mut Judge) -> Step {
    let mut upload = Upload::begin(judge, 8_192, 50_000).await?;
    upload.until(judge, 8_192).await?;
    judge.quiet("nothing more without credit").await
}

async fn an_upload_goes_on_when_an_ack_raises_the_limit(judge: &mut Judge) -> Step {
    let mut upload = Upload::begin(judge, 8_192, 50_000).await?;
    let mut limit = 8_192;
    loop {
        upload.until(judge, limit).await?;
        if upload.ended {
            break;
        }
        if upload.got >= 50_000 {
            // Its END needs no credit.
            let frame = judge.next("REQ|END").await?;
            upload.take(&frame);
            continue;
        }
        limit = upload.got + 8_192;
        judge
            .send(&Draft::ack(upload.corr, upload.got, limit))
            .await;
    }
    let count = upload.got.to_le_bytes();
    judge.send(&Draft::answer(SINK, upload.corr, &count)).await;
    judge.succeeds().await.map(drop)
}

/// The client downloads; its id, and its window.
async fn download(judge: &mut Judge) -> Step<(u64, u64)> {
    judge.welcome(json!({})).await?;
    let corr = judge.download(1_000_000).await?;
    Ok((corr, judge.window()))
}

async fn half_a_window_brings_an_ack(judge: &mut Judge) -> Step {
    let (corr, window) = download(judge).await?;
    let half = (window / 2).min(65_536) as usize;
    judge
        .send(&Draft::part(SOURCE, corr, &pattern(half)).with(Flags::ACK_REQ))
        .await;
    judge.ack(corr).await.map(drop)
}

async fn a_later_frame_with_ack_req_brings_an_ack(judge: &mut Judge) -> Step {
    let (corr, window) = download(judge).await?;
    judge
        .send_all(&[
            Draft::part(SOURCE, corr, &pattern(10)).with(Flags::ACK_REQ),
            Draft::part(SOURCE, corr, &pattern(10)).with(Flags::ACK_REQ),
        ])
        .await;
    let (consumed, limit) = judge.ack(corr).await?;
    let fits = consumed <= 20 && limit >= consumed + window;
    ensure(fits, "at most 20 consumed, and a window beyond", || {
        format!("consumed {consumed}, limit {limit}")
    })
}

async fn acks_grant_at_least_a_window_and_never_go_back(judge: &mut Judge) -> Step {
    let (corr, window) = download(judge).await?;
    let (mut sent, mut before) = (0, (0, window));
    while sent < 1_000_000 {
        if sent == before.1 {
            let (consumed, limit) = judge.ack(corr).await?;
            let fits = consumed >= before.0
                && limit >= before.1
                && consumed <= sent
                && limit >= consumed + window;
            if !fits {
                let came = format!("consumed {consumed}, limit {limit} after {before:?}");
                return fail("numbers that grow, a window apart", came);
            }
            before = (consumed, limit);
            continue;
        }
        let count = (before.1 - sent).min(60_000).min(1_000_000 - sent);
        let part = Draft::part(SOURCE, corr, &vec![0; count as usize]);
        judge.send(&part.with(Flags::ACK_REQ)).await;
        sent += count;
    }
    judge.send(&Draft::answer(SOURCE, corr, b"")).await;
    loop {
        let frame = judge.next("the outcome").await?;
        if frame.header.app_proto_id != 0 {
            return Ok(());
        }
    }
}

async fn an_answer_beyond_the_window_is_given_up(judge: &mut Judge) -> Step {
    let (corr, window) = download(judge).await?;
    if window > 1_000_000 {
        return skip(format!("the client's window is {window}"));
    }
    let beyond = vec![0; window as usize + 1];
    judge
        .send(&Draft::part(SOURCE, corr, &beyond).with(Flags::ACK_REQ))
        .await;
    judge.cancelled(corr, Some(400)).await?;
    judge.fails().await.map(drop)
}

async fn waits(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "wait"})).await
}

async fn an_ack_of_15_bytes_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    let ack = Draft::control(Flags::RESP, 202, 1);
    judge.send(&ack.payload(&[0; 15])).await;
    judge.fatal(400, Reason::BadFrame).await
}

async fn an_ack_for_bytes_never_sent_is_fatal(judge: &mut Judge) -> Step {
    let mut upload = Upload::begin(judge, 8_192, 50_000).await?;
    upload.until(judge, 8_192).await?;
    judge
        .send(&Draft::ack(
            upload.corr,
            upload.got + 1,
            upload.got + 10_000,
        ))
        .await;
    judge.fatal(400, Reason::CreditViolation).await
}

async fn an_ack_of_an_id_never_given_out_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge.send(&Draft::ack(1 << 50, 0, 131_072)).await;
    judge.fatal(400, Reason::BadSequence).await
}
