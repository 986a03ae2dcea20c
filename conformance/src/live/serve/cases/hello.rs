//! Section 5: HELLO replies.

use std::time::Duration;

use oap_core::Reason;
use oap_core::wire::Flags;
use serde_json::json;

use crate::live::draft::{Draft, error_json};
use crate::live::serve::judge::{Judge, usual};
use crate::live::verdict::{Case, Step, case};

pub(super) const CASES: &[Case<Judge>] = &[
    case!("OAP-5-3", a_reply_may_have_code_200),
    case!("OAP-5-9", after_a_bad_hello_error_the_defaults_hold),
    case!("OAP-5-10", a_reply_that_is_no_object_is_fatal),
    case!("OAP-5-10", a_reply_with_a_key_twice_is_fatal),
    case!("OAP-5-10", a_reply_out_of_range_is_fatal),
    case!("OAP-5-10", a_reply_of_another_type_is_fatal),
    case!(
        "OAP-5-10",
        unknown_and_missing_fields_of_a_reply_are_no_fault
    ),
    case!(
        "OAP-10-6",
        a_hello_that_is_not_answered_ends_the_connection,
        Slow
    ),
];

/// The client goes on and does a task.
async fn goes_on(judge: &mut Judge) -> Step {
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 5}))
        .await?;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

async fn answer(judge: &mut Judge, code: u16, body: &str) -> Step {
    let corr = judge.hello().await?;
    let reply = Draft::control(Flags::RESP | Flags::END, code, corr);
    judge.send(&reply.payload(body.as_bytes())).await;
    Ok(())
}

async fn a_reply_may_have_code_200(judge: &mut Judge) -> Step {
    answer(judge, 200, &usual().to_string()).await?;
    judge.rules.told(&usual().to_string());
    goes_on(judge).await
}

async fn after_a_bad_hello_error_the_defaults_hold(judge: &mut Judge) -> Step {
    let corr = judge.hello().await?;
    let error = Draft::control(Flags::RESP | Flags::END, 400, corr);
    let body = error_json("bad_hello", corr);
    judge.send(&error.payload(body.as_bytes())).await;
    goes_on(judge).await
}

async fn refuses(judge: &mut Judge, body: &str) -> Step {
    answer(judge, 0, body).await?;
    judge.fatal(400, Reason::BadHello).await
}

async fn a_reply_that_is_no_object_is_fatal(judge: &mut Judge) -> Step {
    refuses(judge, "[1,2,3]").await
}

async fn a_reply_with_a_key_twice_is_fatal(judge: &mut Judge) -> Step {
    refuses(judge, r#"{"max_frame":4096,"max\u005fframe":8192}"#).await
}

async fn a_reply_out_of_range_is_fatal(judge: &mut Judge) -> Step {
    refuses(judge, r#"{"max_frame":100}"#).await
}

async fn a_reply_of_another_type_is_fatal(judge: &mut Judge) -> Step {
    refuses(judge, r#"{"max_inflight":"64"}"#).await
}

async fn unknown_and_missing_fields_of_a_reply_are_no_fault(judge: &mut Judge) -> Step {
    answer(judge, 0, r#"{"tea":[1,{"milk":null}],"features":["tea"]}"#).await?;
    goes_on(judge).await
}

async fn a_hello_that_is_not_answered_ends_the_connection(judge: &mut Judge) -> Step {
    judge.hello().await?;
    judge
        .ends_within("the end after 5 s", Duration::from_secs(15))
        .await
}
