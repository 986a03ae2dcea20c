use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use proptest::prelude::*;

fn parse(body: &str) -> Result<Hello, HelloFault> {
    Hello::parse_request(body.as_bytes())
}

const REPLY: &str = concat!(
    r#"{"server_version":"demo/1","max_frame":1048576,"max_inflight":64,"#,
    r#""supported_flags":["REQ","RESP","EVENT","START","END","ACK_REQ","COMP","APP_E2E"],"#,
    r#""oap_versions":[1],"transports":["tcp"],"comp":["zlib"],"#,
    r#""features":["cancel","ping","goaway"],"ack_window":131072,"idle_timeout_ms":60000}"#,
);

// OAP-5-2
#[test]
fn the_reply_of_the_specification_is_written_and_read() {
    let mut hello = Hello {
        max_frame: Some(1_048_576),
        max_inflight: Some(64),
        ack_window: Some(131_072),
        idle_timeout_ms: Some(60_000),
        features: Features(7),
        codings: Codings::ZLIB,
        agent: None,
        pq: None,
    };
    let mut out = Vec::new();
    hello.write_reply(
        &ReplyFacts {
            server_version: "demo/1",
            transports: &["tcp"],
        },
        &mut out,
    );
    assert_eq!(core::str::from_utf8(&out), Ok(REPLY));
    hello.agent = Some("demo/1".into());
    assert_eq!(Hello::parse_reply(&out), Ok(hello));
    out.push(b'}');
    assert_eq!(Hello::parse_reply(&out), Err(HelloFault::NotJson));
}

// OAP-5-10
#[test]
fn a_reply_is_checked_but_may_lack_fields() {
    assert_eq!(Hello::parse_reply(b"{}"), Ok(Hello::default()));
    assert_eq!(Hello::parse_reply(b""), Err(HelloFault::NotJson));
    for cut in 1..REPLY.len() {
        assert!(Hello::parse_reply(&REPLY.as_bytes()[..cut]).is_err());
    }
    for field in REPLY_FIELDS {
        for value in ["null", "{}", "true", "-1", "[[]]", "[1.5]", "1.5"] {
            let body = format!("{{\"{field}\":{value}}}");
            let fault = Hello::parse_reply(body.as_bytes()).unwrap_err();
            assert!(matches!(fault, HelloFault::WrongType { field: it, .. } if it == *field));
        }
    }
    assert!(Hello::parse_reply(br#"{"ua":1,"oap_versions":[1,99999999999999999999]}"#).is_ok());
}

// OAP-5-5
#[test]
fn what_is_unknown_is_ignored() {
    assert_eq!(parse(""), Ok(Hello::default()));
    assert_eq!(parse(" {} "), Ok(Hello::default()));
    assert_eq!(
        parse(r#"{"comp":["br"],"features":["tea","Ping"],"x":[{}],"pq":1}"#),
        parse("")
    );
    let read = parse(r#"{"comp":["br","zstd"],"features":["pin\u0067"],"ua":"\u0061"}"#).unwrap();
    assert_eq!(
        (read.codings, read.features),
        (Codings::ZSTD, Features::PING)
    );
    assert_eq!(read.agent.as_deref(), Some("a"));
}

// OAP-5-6
#[test]
fn the_body_is_a_small_flat_object() {
    let filled = |length: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(length - 8));
    assert!(parse(&filled(4_096)).is_ok());
    assert_eq!(parse(&filled(4_097)), Err(HelloFault::TooLong));
    for other in ["[]", "1", "\"{}\"", "null"] {
        assert_eq!(parse(other), Err(HelloFault::NotAnObject));
    }
    let nested = |levels| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&nested(7)).is_ok());
    assert_eq!(parse(&nested(8)), Err(HelloFault::TooDeep));
    assert_eq!(parse(" "), Err(HelloFault::NotJson));
}

// OAP-5-6
#[test]
fn no_object_has_a_key_twice() {
    for twice in [
        r#"{"max_frame":4096,"max_frame":4096}"#,
        r#"{"x":1,"y":2,"\u0078":3}"#,
        r#"{"":1,"a":2,"":3}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
        r#"{"x":[{"a":1},{"a":{"b":1,"c":2,"b":3}}]}"#,
    ] {
        assert_eq!(parse(twice), Err(HelloFault::DuplicateKey), "{twice}");
    }
    assert!(parse(r#"{"a":1,"A":2,"a ":3,"":4,"x":[{"a":{"a":1}},{"a":1}]}"#).is_ok());
    // Keys whose digests are the same are still two.
    for once in [
        r#"{"costarring":1,"liquid":2}"#,
        r#"{"x":{"liquid":1,"costarring":2}}"#,
    ] {
        assert!(parse(once).is_ok(), "{once}");
    }
}

// OAP-5-7
#[test]
fn numbers_have_ranges() {
    for (field, min, max) in [
        ("max_frame", 4_096, u64::MAX),
        ("max_inflight", 1, 65_535),
        ("ack_window", 4_096, 8_388_608),
    ] {
        let give = |value: u128| parse(&format!("{{\"{field}\":{value}}}"));
        let out_of_range = Err(HelloFault::OutOfRange { field, min, max });
        assert!(give(min.into()).is_ok() && give(max.into()).is_ok());
        assert_eq!(give(u128::from(min) - 1), out_of_range);
        assert!(max == u64::MAX || give(u128::from(max) + 1) == out_of_range);
        assert_eq!(give(u128::MAX).is_ok(), max == u64::MAX);
    }
    for large in ["1048577", "4294971392", "99999999999999999999"] {
        let read = parse(&format!("{{\"max_frame\":{large}}}")).unwrap();
        assert_eq!(read.max_frame, Some(MAX_FRAME));
    }
    assert!(Hello::parse_reply(br#"{"idle_timeout_ms":999}"#).is_err());
}

// OAP-5-7
#[test]
fn fields_have_types_and_faults_name_them() {
    for field in REQUEST_FIELDS {
        for value in [
            "null", "{}", "true", "-1", "[[]]", "[1.5]", "4096.0", "4096e0",
        ] {
            let fault = parse(&format!("{{\"{field}\":{value}}}")).unwrap_err();
            assert!(matches!(fault, HelloFault::WrongType { field: it, .. } if it == *field));
            assert_eq!(
                (fault.code(), fault.reason()),
                (Code::BAD_REQUEST, Reason::BadHello)
            );
        }
    }
    let fault = parse(r#"{"max_frame":"4096"}"#).unwrap_err();
    assert_eq!(fault.to_string(), "`max_frame` is not an unsigned integer");
}

#[test]
fn the_longest_bodies_fit() {
    let worst = "\u{1}".repeat(5_000);
    let hello = Hello {
        max_frame: Some(MAX_FRAME),
        max_inflight: Some(u16::MAX),
        ack_window: Some(8_388_608),
        idle_timeout_ms: Some(u64::MAX),
        features: Features(7),
        codings: Codings(3),
        agent: Some(worst.as_str().into()),
        pq: Some(worst.as_str().into()),
    };
    let reply = ReplyFacts {
        server_version: &worst,
        transports: &[worst.as_str(); 99],
    };
    let mut out = Vec::new();
    hello.write_reply(&reply, &mut out);
    assert!(out.len() < 3_072 && Hello::parse_reply(&out).is_ok());
    out.clear();
    hello.write_request(&mut out);
    assert!(out.len() < 3_072 && Hello::parse_request(&out).is_ok());
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let numbers = (
        prop::option::of(4_096..=MAX_FRAME),
        prop::option::of(1..=u16::MAX),
        prop::option::of(4_096..=8_388_608_u32),
        prop::option::of(1_000..=u64::MAX),
    );
    let text = || prop::option::of(".{0,30}").prop_map(|text| text.map(String::into_boxed_str));
    (numbers, 0..8_u8, 0..4_u8, text(), text()).prop_map(
        |(numbers, features, codings, agent, pq)| Hello {
            max_frame: numbers.0,
            max_inflight: numbers.1,
            ack_window: numbers.2,
            idle_timeout_ms: numbers.3,
            features: Features(features),
            codings: Codings(codings),
            agent,
            pq,
        },
    )
}

proptest! {
    #[test]
    fn requests_come_back(hello in any_hello()) {
        let mut out = Vec::new();
        hello.write_request(&mut out);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        let request = Hello { idle_timeout_ms: None, pq: None, ..hello };
        prop_assert_eq!(Hello::parse_request(&out), Ok(request));
    }

    #[test]
    fn replies_come_back(mut hello in any_hello(), server_version in ".{0,30}") {
        let mut out = Vec::new();
        let transports = &["tls", "uds"];
        let reply = ReplyFacts { server_version: &server_version, transports };
        hello.write_reply(&reply, &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(json["supported_flags"].as_array().map(Vec::len), Some(8));
        prop_assert_eq!(&json["oap_versions"], &serde_json::json!([1]));
        prop_assert_eq!(&json["transports"], &serde_json::json!(["tls", "uds"]));
        hello.agent = Some(server_version.into());
        hello.max_frame.get_or_insert(MAX_FRAME);
        hello.max_inflight.get_or_insert(DEFAULT_MAX_INFLIGHT);
        prop_assert_eq!(Hello::parse_reply(&out), Ok(hello));
    }

    #[test]
    fn hostile_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (Hello::parse_request(&body), Hello::parse_reply(&body));
    }
}
