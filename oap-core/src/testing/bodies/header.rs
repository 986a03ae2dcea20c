//! Headers, whole and cut short.

use core::fmt::{self, Write};

use super::Heap;
use super::heap::Ledger;
use crate::wire::{Flags, FrameFault, HEADER_LEN, Header, MAX_FRAME, MIN_LEN, VERSION};

/// A header and, in the four bytes behind it, the receiver's limit: the verdict is the one that the
/// table of the specification gives, every prefix tells it as soon as it can, what is read is
/// written again, and no heap is used.
///
/// # Panics
/// If that does not hold.
pub fn header(data: &[u8], heap: Heap) {
    let max_frame = data
        .get(HEADER_LEN..)
        .and_then(|rest| rest.first_chunk())
        .map_or(MAX_FRAME, |rest| {
            MIN_LEN + u32::from_le_bytes(*rest) % (MAX_FRAME - MIN_LEN + 1)
        });
    let bytes = &data[..data.len().min(HEADER_LEN)];
    Ledger::with_base(heap, 0).measure(|| {
        prefixes(bytes, max_frame);
        if let Some(bytes) = bytes.first_chunk() {
            whole(bytes, max_frame);
        }
    });
}

/// The first byte count at which each check can be made.
const STOPS: [usize; 4] = [4, 5, 29, HEADER_LEN];

fn prefixes(bytes: &[u8], max_frame: u32) {
    let verdict = Header::check_prefix(bytes, max_frame);
    for stop in STOPS {
        for len in [stop - 1, stop] {
            let Some(prefix) = bytes.get(..len) else {
                continue;
            };
            match Header::check_prefix(prefix, max_frame) {
                Ok(need) => {
                    let next = STOPS.into_iter().find(|stop| *stop > len);
                    assert_eq!(need, next.unwrap_or(HEADER_LEN), "after {len} bytes");
                }
                Err(fault) => assert_eq!(verdict, Err(fault), "more bytes, another fault"),
            }
        }
    }
}

fn whole(bytes: &[u8; HEADER_LEN], max_frame: u32) {
    let expected = expected_fault(bytes, max_frame);
    let prefix = Header::check_prefix(bytes, max_frame);
    let header = match Header::parse(bytes, max_frame) {
        Ok(header) => header,
        Err(fault) => {
            assert_eq!((Some(fault), prefix), (expected, Err(fault)));
            assert!(fault.code().is_error() && fault.reason().code() == fault.code());
            return assert!(length_of(format_args!("{fault}")) > 0);
        }
    };
    assert_eq!((expected, prefix), (None, Ok(HEADER_LEN)));
    assert_eq!(header.encode(), *bytes, "what is read is written again");
    let parts = HEADER_LEN + usize::from(header.cap_len) + header.payload_len();
    assert_eq!(header.frame_len(), parts);
    let flags = header.flags;
    assert_eq!(flags.has_reserved(), flags.bits() > 0xff);
    assert_eq!(flags.without(flags.directions()).bits(), flags.bits() & !7);
    assert_eq!(flags.directions() | flags, flags);
    assert!(length_of(format_args!("{flags:?}")) >= 3);
    assert_eq!(flags.intersects(Flags::START), flags.contains(Flags::START));
}

/// What the table in section 1 of the specification says, in its order.
fn expected_fault(bytes: &[u8; HEADER_LEN], max_frame: u32) -> Option<FrameFault> {
    let len = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let cap_len = u16::from_le_bytes([bytes[27], bytes[28]]);
    if len < MIN_LEN {
        Some(FrameFault::TooShort { len })
    } else if len > max_frame {
        Some(FrameFault::TooLarge { len, max_frame })
    } else if bytes[4] != VERSION {
        Some(FrameFault::Version { ver: bytes[4] })
    } else if MIN_LEN + u32::from(cap_len) > len {
        Some(FrameFault::CapabilityTooLong { cap_len, len })
    } else if cap_len > 0 && bytes[5] & 0x08 == 0 {
        Some(FrameFault::CapabilityWithoutStart { cap_len })
    } else {
        None
    }
}

/// Bytes of a text, without making it.
fn length_of(text: fmt::Arguments<'_>) -> usize {
    let mut counter = Counter(0);
    let _ = counter.write_fmt(text);
    counter.0
}

struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
