//! What the targets share: an allocator that counts, so that each execution can be held to the
//! core's heap bound, and the one body that does not live in the core.

#[path = "../../oap-core/tests/counting/mod.rs"]
mod counting;
mod settings;

use oap_core::testing::bodies::Heap;

pub use settings::settings;

/// The heap as the counting allocator sees it.
pub const HEAP: Heap = Heap {
    live: counting::live,
    take_peak: counting::take_peak,
};
