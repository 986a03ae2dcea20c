//! Any bytes at all.

use super::Heap;
use super::choices::Choices;
use super::probe::{Probe, any_config};
use crate::{Lane, Role};

/// [`any_bytes`] of the role that the first byte says.
///
/// # Panics
/// If a bound is passed.
pub fn bytes(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let role = choices.pick(&[Role::Server, Role::Client]);
    measured(role, choices.rest(), heap);
}

/// Arbitrary bytes as a peer's, in arbitrary pieces.
///
/// # Panics
/// If a bound is passed.
pub fn any_bytes(role: Role, data: &[u8]) {
    measured(role, data, Heap::UNMEASURED);
}

fn measured(role: Role, data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let mut probe = Probe::new(role, any_config(&mut choices), heap);
    let bits = choices.byte();
    let piece = [1, 3, 37, 4_096][usize::from(bits & 3)];
    for piece in choices.rest().chunks(piece) {
        probe.input(Lane::FIRST, piece);
        probe.check();
        probe.events(1, |_| {});
        probe.transmit(50);
    }
    if bits & 4 != 0 {
        probe.eof(Lane::FIRST);
    }
    probe.finish();
}
