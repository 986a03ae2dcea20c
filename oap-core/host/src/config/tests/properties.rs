//! Whatever the input.

use proptest::prelude::*;

use super::*;

/// TOML that is nearly right more often than not.
fn nearly_toml() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(keys()).prop_map(|key| key.name().to_owned()),
        "[a-z_.\"]{1,12}",
        Just("limits".to_owned()),
    ];
    let value = prop_oneof![
        "[0-9]{1,20}",
        "\"[ -~]{0,12}\"",
        "'\\PC{0,12}'",
        Just("true".to_owned()),
        "\\[[0-9, ]{0,12}\\]",
        "\\{[a-z0-9 =]{0,12}\\}",
        "0x[0-9a-f]{1,18}",
        "\"[0-9]{1,20} ?(B|KiB|MiB|ms|s|m|h)\"",
    ];
    let line = prop_oneof![
        4 => (name.clone(), value).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => name.prop_map(|name| format!("[{name}]")),
        1 => "\\PC{0,24}",
    ];
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

fn loads_or_tells(loader: &Loader) {
    match loader.load() {
        Ok(settings) => {
            let _ = settings.core_config();
        }
        Err(faults) => {
            assert!(!faults.as_slice().is_empty());
            for fault in faults {
                let told = fault.to_string();
                assert!(!told.chars().any(char::is_control), "{told:?}");
                assert!(told.chars().count() < 700, "{told}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_file_panics(text in "\\PC{0,200}|(?s).{0,200}") {
        loads_or_tells(&Loader::server().text("f", text));
    }

    #[test]
    fn no_nearly_good_file_panics(text in nearly_toml()) {
        loads_or_tells(&Loader::server().text("f", text));
    }

    #[test]
    fn no_value_of_a_key_panics(key in prop::sample::select(keys()), text in "(?s).{0,40}") {
        loads_or_tells(&Loader::server().flag(key.name(), text));
    }

    #[test]
    fn a_value_that_is_taken_is_written_as_itself(
        key in prop::sample::select(keys()),
        text in "[0-9]{1,8} ?(B|KiB|MiB|ms|s|m|h|)",
    ) {
        let mut values = values::Values::blank();
        if key.kind.read(&text, &mut values) {
            let mut again = values::Values::blank();
            prop_assert!(key.kind.read(&key.kind.write(&values), &mut again));
            prop_assert_eq!(again, values);
        }
    }
}
