//! The operations whose instructions are counted; they are those of `cargo bench -p oap-core`.

#[path = "../../../oap-core/benches/ops/mod.rs"]
mod ops;

pub use ops::*;
