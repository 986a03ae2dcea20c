//! The committed vectors: they are what is built here from the specification, `oap-core` passes
//! them, they keep to their schema, and they leave no clause out that shows on the wire.
//!
//! `BLESS=1 cargo test -p oap-conformance --no-default-features --test vectors` writes them anew.

mod build;
mod coverage;
mod due;
mod frames;
mod mutants;
mod s01_ends;
mod s01_frame;
mod s02_flags;
mod s03_clients;
mod s03_exchanges;
mod s03_states;
mod s03_verdicts;
mod s04_control;
mod s04_drains;
mod s05_hello;
mod s06_acks;
mod s06_senders;
mod s06_windows;
mod s07_events;
mod s08_comp;
mod s09_errors;
mod s10_budgets;
mod s10_timers;
mod s11_lanes;
mod schema;
mod zlib;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use oap_conformance::vectors::{CoreSubject, File, Outcome, Split, Vector, run};

use self::build::Section;

fn sections() -> Vec<Section> {
    vec![
        s01_frame::section(),
        s02_flags::section(),
        s03_exchanges::section(),
        s04_control::section(),
        s05_hello::section(),
        s06_windows::section(),
        s07_events::section(),
        s08_comp::section(),
        s09_errors::section(),
        s10_budgets::section(),
        s11_lanes::section(),
    ]
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn text_of(file: &File) -> String {
    // One line for each vector keeps a change of one vector a change of one line.
    let vectors: Vec<String> = file
        .vectors
        .iter()
        .map(|vector| serde_json::to_string(vector).expect("a vector is JSON"))
        .collect();
    let section = serde_json::to_string(&file.section).expect("a heading is JSON");
    let vectors = vectors.join(",\n    ");
    format!(
        "{{\n  \"$schema\": \"schema.json\",\n  \"section\": {section},\n  \"vectors\": [\n    {vectors}\n  ]\n}}\n"
    )
}

#[test]
fn the_files_are_what_is_built_here() {
    let bless = std::env::var_os("BLESS").is_some();
    for section in sections() {
        let path = directory().join(section.file);
        let text = text_of(&section.into_file());
        if bless {
            fs::write(&path, &text).expect("the directory of the vectors is writable");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} differs; BLESS=1 writes it anew",
            path.display()
        );
    }
}

#[test]
fn names_are_unique_and_there_are_at_least_600() {
    let all = vectors();
    let names: BTreeSet<&str> = all.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    let mut seen = BTreeMap::new();
    for vector in &all {
        if let Some(other) = seen.insert(what_happens(vector), &vector.name) {
            panic!("{other} and {} are the same", vector.name);
        }
    }
    assert!(all.len() >= 600, "{} vectors", all.len());
}

/// A vector without its name and its clauses.
fn what_happens(vector: &Vector) -> String {
    let bare = Vector {
        name: String::new(),
        clauses: Vec::new(),
        ..vector.clone()
    };
    serde_json::to_string(&bare).expect("JSON")
}

fn vectors() -> Vec<Vector> {
    let sections = sections();
    let vectors = sections.iter().flat_map(Section::vectors);
    vectors.cloned().collect()
}

#[test]
fn the_core_passes_every_vector_whole_and_byte_by_byte() {
    let mut failures = Vec::new();
    let all = vectors();
    for vector in &all {
        for split in [Split::Whole, Split::Bytes] {
            match run(vector, &mut CoreSubject::default(), split) {
                Outcome::Passed => {}
                Outcome::Skipped(why) => failures.push(format!("{} skipped: {why}", vector.name)),
                Outcome::Failed(failure) => failures.push(format!(
                    "{} ({split:?}), step {}: {}",
                    vector.name, failure.step, failure.what
                )),
            }
        }
    }
    println!("{} vectors", all.len());
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
