//! Compressed bodies, good ones and bad ones.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use oap_core::driver::test_apps::{ECHO, SINK};
use oap_core::{Body, Config, Fin, Head, Limits};

use crate::suite::ctx::outcome;
use crate::suite::{Ctx, Plan, within};

pub(super) async fn compression(ctx: &mut Ctx) {
    let limits = Limits::builder()
        .max_frame(65_536)
        .max_inflight(4)
        .chunk(32_768)
        .build()
        .expect("limits");
    let plan = Plan::new().with_config(Config {
        limits,
        ..Config::default()
    });
    let (_running, session) = ctx.pair_with(plan, Config::default()).await;

    let text = Bytes::from("an overlay of overlays; ".repeat(2_000));
    let body = session.compress(text.clone());
    ctx.log(format!(
        "48,000 bytes of text are compressed: {}, below a tenth: {}",
        body.is_compressed(),
        body.len() < 4_800
    ));
    let open = session.open(Head::new(ECHO), body.clone(), Fin::End);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    let back = within("an echo", exchange.recv())
        .await
        .expect("an echo")
        .expect("an echo");
    ctx.log(format!(
        "the echo is compressed: {}",
        back.payload.is_compressed()
    ));
    assert_eq!(exchange.inflate(&back.payload).expect("the text"), text);

    let response = session.request(Head::new(ECHO), body.clone());
    let response = within("an echo", response).await.expect("an echo");
    assert_eq!(response.body, text);
    ctx.log("a request's answer is inflated");
    let response = session.request(Head::new(SINK), body);
    let response = within("a count", response).await.expect("a count");
    assert_eq!(response.body[..], 48_000_u64.to_le_bytes());
    ctx.log("the sink counts inflated bytes");

    let noise = session.compress(Bytes::from_static(b"short"));
    ctx.log(format!("5 bytes are compressed: {}", noise.is_compressed()));

    for (what, body) in [
        (
            "no stream at all",
            Body::compressed(Bytes::from_static(b"no zlib")),
        ),
        (
            "a stream with bytes after it",
            Body::compressed(zlib(b"good", b"tail")),
        ),
        (
            "a bomb",
            Body::compressed(zlib(&vec![0; 8 * 65_536 + 1], b"")),
        ),
        (
            "just no bomb",
            Body::compressed(zlib(&vec![0; 8 * 65_536], b"")),
        ),
        (
            "opaque bytes",
            Body::compressed(Bytes::from_static(b"secret")).opaque(),
        ),
    ] {
        let app = if body == Body::compressed(Bytes::from_static(b"secret")).opaque() {
            ECHO
        } else {
            SINK
        };
        let result = within(what, session.request(Head::new(app), body)).await;
        ctx.log(format!("{what}: {}", outcome(&result)));
    }
    ctx.echo(&session, "after all that").await;
}

fn zlib(plain: &[u8], tail: &[u8]) -> Bytes {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("a vector takes every byte");
    let mut stream = encoder.finish().expect("a vector takes every byte");
    stream.extend_from_slice(tail);
    stream.into()
}
