//! The vectors that are committed.

use super::{File, Vector};

/// Files with their names.
#[derive(Clone, Debug)]
pub struct Set {
    /// The files, in the order of the specification.
    pub files: Vec<(&'static str, File)>,
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../vectors/", $name)))),*]
    };
}

/// The committed files, as they were when this was built.
///
/// # Panics
/// If one of them is not in the form of a vector file.
pub fn embedded() -> Set {
    let files = embed![
        "01-frame.json",
        "02-flags.json",
        "03-exchanges.json",
        "04-control.json",
        "05-hello.json",
        "06-windows.json",
        "07-events.json",
        "08-comp.json",
        "09-errors.json",
        "10-budgets.json",
        "11-lanes.json",
    ];
    let parse = |(name, text): (&'static str, &str)| match serde_json::from_str(text) {
        Ok(file) => (name, file),
        Err(error) => panic!("{name}: {error}"),
    };
    Set {
        files: files.into_iter().map(parse).collect(),
    }
}

impl Set {
    /// Every vector.
    pub fn vectors(&self) -> impl Iterator<Item = &Vector> {
        self.files.iter().flat_map(|(_, file)| &file.vectors)
    }
}
