//! The committed corpus of the fuzz target `settings`, each input through its body.
#![cfg(feature = "config")]

#[path = "../../../fuzz/src/settings.rs"]
#[allow(unreachable_pub, reason = "the fuzz target takes it from a library")]
mod settings;

use std::path::Path;

#[test]
fn every_input_of_the_corpus_passes_its_body() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/settings");
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is there") {
        let input = entry.expect("an entry of the corpus").path();
        println!("{}", input.display());
        settings::settings(&std::fs::read(&input).expect("an input of the corpus"));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}
