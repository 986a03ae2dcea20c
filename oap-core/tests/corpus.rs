//! The committed corpora of the fuzz targets, each input through its body.

mod counting;

use std::path::Path;

use oap_core::testing::bodies::{FUZZ_BODIES, Heap};

const HEAP: Heap = Heap {
    live: counting::live,
    take_peak: counting::take_peak,
};

#[test]
fn every_input_of_every_corpus_passes_its_body() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, body) in FUZZ_BODIES {
        let mut inputs: Vec<_> = std::fs::read_dir(corpora.join(name))
            .unwrap_or_else(|error| panic!("the corpus {name}: {error}"))
            .map(|entry| entry.expect("an entry of the corpus").path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "the corpus {name} is empty");
        for input in inputs {
            let data = std::fs::read(&input).expect("an input of the corpus");
            println!("{}", input.display());
            body(&data, HEAP);
        }
    }
}
