//! The examples run and are short, and `docs/embedding.md` quotes them as they are.

#[path = "../examples/blocking.rs"]
mod blocking;
#[path = "../examples/by_hand.rs"]
mod by_hand;

const SOURCES: [(&str, &str); 3] = [
    ("blocking", include_str!("../examples/blocking.rs")),
    ("by_hand", include_str!("../examples/by_hand.rs")),
    ("tower", include_str!("../../oap-tokio/examples/tower.rs")),
];
const GUIDE: &str = include_str!("../../docs/embedding.md");

// Its assertions are the example's own.
#[test]
fn the_blocking_example_runs() {
    blocking::main().unwrap();
}

// Its assertions are the example's own.
#[test]
fn the_example_by_hand_runs() {
    by_hand::main().unwrap();
}

#[test]
fn an_example_is_short_enough_to_be_copied() {
    for (name, source) in SOURCES {
        let lines = source.lines().count();
        assert!(lines < 120, "{name}: {lines} lines");
    }
}

#[test]
fn the_guide_quotes_the_examples_as_they_are() {
    let sources = SOURCES.map(|(_, source)| trimmed(source));
    let mut quoted = [0; SOURCES.len()];
    for excerpt in excerpts(GUIDE) {
        let found = sources.iter().position(|source| source.contains(&excerpt));
        let found = found.unwrap_or_else(|| panic!("in no example:\n{excerpt}"));
        quoted[found] += 1;
    }
    assert!(quoted.iter().all(|&count| count > 0), "{quoted:?}");
}

/// The Rust in a Markdown file, block by block.
fn excerpts(markdown: &str) -> impl Iterator<Item = String> + '_ {
    let blocks = markdown.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix("rust\n").map(trimmed))
}

/// Without indentation, which depends on the place, and whole lines only.
fn trimmed(code: &str) -> String {
    let lines = code.lines().map(str::trim);
    lines.fold("\n".to_owned(), |text, line| text + line + "\n")
}
