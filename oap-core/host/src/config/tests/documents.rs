//! What is made from the table of keys.

use super::*;

#[test]
fn the_default_file_sets_the_defaults() {
    let file = default_file();
    let untouched = Loader::server().text("f", file.clone()).load().unwrap();
    let defaults = Loader::server().load().unwrap();
    assert_eq!(untouched, defaults);

    let set = file
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let set = Loader::server().text("f", set).load().unwrap();
    assert_eq!(set.values, defaults.values);
    for key in keys() {
        assert!(
            matches!(set.origin(key.name()), Some(Origin::File { .. })),
            "{}",
            key.name()
        );
    }
    assert!(file.lines().all(|line| line.len() <= 98), "lines are short");
}

#[test]
fn the_document_says_what_the_table_says() {
    const BEGIN: &str = "<!-- keys -->\n";
    const END: &str = "<!-- end of keys -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let written = fs::read_to_string(path).expect("docs/configuration.md");
    let (before, rest) = written.split_once(BEGIN).expect(BEGIN);
    let (_, after) = rest.split_once(END).expect(END);
    let document = format!("{before}{BEGIN}\n{}\n{END}{after}", document::table());
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &document).expect("docs can be written");
    } else {
        assert!(
            written == document,
            "docs/configuration.md is stale: run the test again with BLESS=1"
        );
    }
}

#[cfg(feature = "flags")]
mod of_clap {
    use super::*;

    #[test]
    fn every_key_is_a_flag() {
        let command = flags(clap::Command::new("server"));
        command.clone().debug_assert();
        for key in keys() {
            let flag = format!("--{}", key.name());
            let given = ["server", &flag, "-1"];
            let matches = command.clone().try_get_matches_from(given).unwrap();
            assert_eq!(from_matches(&matches), [(key.name(), "-1".to_owned())]);
        }
        let none = command.try_get_matches_from(["server"]).unwrap();
        assert!(from_matches(&none).is_empty());
    }
}
