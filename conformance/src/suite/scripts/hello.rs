//! HELLO says the same whatever carries it, but for the name of the transport.

use oap_core::wire::Flags;

use crate::suite::{Ctx, Plan, Raw, within};

pub(super) async fn hello(ctx: &mut Ctx) {
    let (_running, session) = ctx.pair().await;
    let hello = session.hello().expect("an answer to HELLO");
    ctx.log(format!("max_frame {:?}", hello.max_frame));
    ctx.log(format!("max_inflight {:?}", hello.max_inflight));
    ctx.log(format!("ack_window {:?}", hello.ack_window));
    ctx.log(format!("idle_timeout_ms {:?}", hello.idle_timeout_ms));
    ctx.log(format!("features {:?}", hello.features));
    ctx.log(format!("codings {:?}", hello.codings));
    ctx.log(format!("pq {:?}", hello.pq));
    for _ in 0..5 {
        let pong = within("a PONG", session.ping()).await;
        pong.expect("a PONG");
    }
    ctx.log("five PINGs are answered");
}

pub(super) async fn hello_on_the_wire(ctx: &mut Ctx) {
    let running = ctx.serve(Plan::new()).await;
    let mut raw = Raw::connect(&running.target).expect("a connection");
    for corr_id in [0, 7] {
        raw.send(&Raw::frame(Flags::REQ, 0, corr_id, b""))
            .expect("HELLO is sent");
        let reply = raw.receive().expect("a frame").expect("an answer");
        ctx.log(format!(
            "HELLO {}: flags {:#06x}, code {}, app {}",
            reply.header.corr_id,
            reply.header.flags.bits(),
            reply.header.code,
            reply.header.app_proto_id
        ));
        let transports = format!("\"transports\":[\"{}\"]", ctx.wire().name());
        let version = concat!("oap-core/", env!("CARGO_PKG_VERSION"));
        let body = String::from_utf8(reply.payload().to_vec()).expect("JSON");
        assert!(body.contains(&transports), "{body}");
        ctx.log(
            body.replace(&transports, "TRANSPORTS")
                .replace(version, "VERSION"),
        );
    }
}
