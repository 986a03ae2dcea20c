use super::*;
use alloc::format;
use alloc::string::ToString;
use proptest::prelude::*;

fn check(input: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader::new(input)?;
    reader.skip()?;
    reader.finish()
}

fn unsigned(input: &str) -> Result<u64, Fault> {
    let mut reader = Reader::new(input.as_bytes())?;
    let value = reader.unsigned()?;
    reader.finish()?;
    Ok(value)
}

fn string(input: &[u8]) -> Str<'_> {
    Reader::new(input).unwrap().string().unwrap()
}

#[test]
fn only_rfc_8259_is_json() {
    for good in [
        "0",
        "-0.5e+7",
        " [ ] ",
        r#"{"a":[1,{"b":null}],"":true}"#,
        "[true,false,null]",
        r#""\ud83d\ude00\/""#,
    ] {
        assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in [
        "",
        " ",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "--1",
        "0x1",
        "[1,]",
        "{\"a\":1,}",
        "{1:2}",
        "[1 2]",
        "{\"a\" 1}",
        "nul",
        "truE",
        "NaN",
        "\u{feff}1",
        "1 2",
        "[",
        "{",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\t\"",
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\u0041""#,
        r#""\ud800x""#,
        r#""\u12g4""#,
        "]",
        "}",
        "[}",
    ] {
        assert_eq!(check(bad.as_bytes()), Err(Fault::Syntax), "{bad}");
    }
    assert_eq!(check(b"\"\xff\""), Err(Fault::Syntax));
}

// OAP-5-6
#[test]
fn eight_levels_are_the_most() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels| format!("{}{}{}", open.repeat(levels), "0", close.repeat(levels));
        assert_eq!(check(nested(8).as_bytes()), Ok(()));
        assert_eq!(check(nested(9).as_bytes()), Err(Fault::TooDeep));
        assert_eq!(
            check(open.repeat(1_000_000).as_bytes()),
            Err(Fault::TooDeep)
        );
    }
    assert_eq!(check(b"[[[[[[[[]]]]]]],[[[[[[[]]]]]]]]"), Ok(()));
    let siblings = |one: &str| format!("[{}{one}]", format!("{one},").repeat(20));
    for one in ["[]", "[0]", "{}", r#"{"a":0}"#] {
        assert_eq!(check(siblings(one).as_bytes()), Ok(()), "{one}");
    }
}

#[test]
fn unsigned_integers_are_nothing_else() {
    assert_eq!(unsigned(" 18446744073709551615 "), Ok(u64::MAX));
    assert_eq!(unsigned("0"), Ok(0));
    assert_eq!(unsigned("18446744073709551616"), Err(Fault::Overflow));
    assert_eq!(unsigned("99999999999999999999999999"), Err(Fault::Overflow));
    for wrong in ["-1", "1.0", "1e3", "\"1\"", "null", "[1]", "true"] {
        assert_eq!(unsigned(wrong), Err(Fault::WrongType), "{wrong}");
    }
    for bad in ["007", "1x", "-", ""] {
        assert_eq!(unsigned(bad), Err(Fault::Syntax), "{bad}");
    }
    assert_eq!(Reader::new(b"1").unwrap().boolean(), Err(Fault::WrongType));
    assert_eq!(Reader::new(b"false").unwrap().boolean(), Ok(false));
}

#[test]
fn strings_compare_as_they_read_unescaped() {
    let both = r#"["a\u0062\ud83d\ude00\n", "ab\ud83d\uDE00\u000a"]"#;
    let mut seen = Vec::new();
    let mut reader = Reader::new(both.as_bytes()).unwrap();
    reader
        .array(|element| element.string().map(|string| seen.push(string)))
        .unwrap();
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], string(br#""ab""#));
    assert!(seen[0] < string(br#""b""#));
    assert!(seen[0] == *"ab\u{1f600}\n");
    assert_eq!(seen[1].to_owned(), "ab\u{1f600}\n");
    assert_eq!(
        seen[0].one_of(&["x", "ab\u{1f600}\n"]),
        Some("ab\u{1f600}\n")
    );
}

#[test]
fn what_is_nothing_but_escapes_comes_back() {
    for text in ["", "\"\"", "\\\\", "\u{1}\u{1f}"] {
        let mut out = Vec::new();
        push_string(&mut out, text, 100);
        assert_eq!(string(&out).to_owned(), text);
    }
}

#[test]
fn digests_tell_most_strings_apart() {
    let digest = |text: &str| string(text.as_bytes()).digest();
    assert_eq!(digest(r#""a\u0062""#), digest(r#""ab""#));
    assert_ne!(digest(r#""ab""#), digest(r#""ba""#));
    // Two words that FNV-1a is known to confuse.
    assert_eq!(digest(r#""costarring""#), digest(r#""liquid""#));
}

/// Text that is often JSON, or nearly so.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\ud83d\\ude00\"",
            "\"\\u00e9\"",
            "0",
            "-1.5",
            "1e3",
            "01",
            "true",
            "false",
            "null",
            " ",
            "\"",
            "\\",
            "{\"a\":1}",
            "[1,2]",
            "\u{e9}",
            "\n",
            ".",
            "e",
            "[]",
            "{}",
        ][..],
    );
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn agrees_with_serde_json(input in nearly_json()) {
        match (check(&input), serde_json::from_slice::<serde_json::Value>(&input)) {
            // serde_json keeps floats, and refuses those that do not fit one.
            (Ok(()), Err(error)) => {
                prop_assert!(error.to_string().starts_with("number out of range"));
            }
            (Err(Fault::TooDeep), _) | (Ok(()), Ok(_)) | (Err(Fault::Syntax), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{ours:?} but serde_json has {theirs:?}"),
        }
    }

    #[test]
    fn strings_come_back(text in any::<String>(), room in 0_usize..64) {
        let mut out = Vec::new();
        push_string(&mut out, &text, usize::MAX);
        let mut reader = Reader::new(&out).unwrap();
        prop_assert_eq!(reader.string().unwrap().to_owned(), text.clone());
        prop_assert_eq!(&serde_json::from_slice::<String>(&out).unwrap(), &text);

        let mut spelled = String::from("\"");
        for unit in text.encode_utf16() {
            spelled.push_str(&format!("\\u{unit:04x}"));
        }
        spelled.push('"');
        let (plain, spelled) = (string(&out), string(spelled.as_bytes()));
        prop_assert_eq!(plain, spelled);
        prop_assert_eq!(plain.digest(), spelled.digest());

        out.clear();
        push_string(&mut out, &text, room);
        prop_assert!(out.len() <= room + 2);
        prop_assert!(text.starts_with(&serde_json::from_slice::<String>(&out).unwrap()));
    }

    #[test]
    fn numbers_come_back(value in any::<u64>()) {
        let mut out = Vec::new();
        push_u64(&mut out, value);
        prop_assert_eq!(core::str::from_utf8(&out).unwrap(), value.to_string());
        prop_assert_eq!(Reader::new(&out).unwrap().unsigned(), Ok(value));
    }
}
