//! The header's checks against an oracle that is written from the specification alone: every value
//! of `flags` with every boundary of `len` and `cap_len`, every `cap_len`, every `ver`, and every
//! prefix. All 2^32 values of `len` are the business of the program `header` in `conformance`.

use oap_core::Reason;
use oap_core::wire::{Flags, FrameFault, Header, MAX_FRAME};

/// Section 1 of the specification, for a header whose fields are given as numbers.
mod oracle {
    /// The first check that fails, in the order of OAP-1-7.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Fault {
        /// OAP-1-3
        TooShort,
        /// OAP-1-4
        TooLarge,
        /// OAP-1-5
        Version,
        /// OAP-1-6
        Capability,
    }

    pub(super) fn judge(
        len: u64,
        ver: u64,
        start: bool,
        cap_len: u64,
        max_frame: u64,
    ) -> Option<Fault> {
        if len < 33 {
            Some(Fault::TooShort)
        } else if len > max_frame {
            Some(Fault::TooLarge)
        } else if ver != 1 {
            Some(Fault::Version)
        } else if cap_len > len - 33 || (cap_len > 0 && !start) {
            Some(Fault::Capability)
        } else {
            None
        }
    }

    /// Bytes at which the fault shows at the latest.
    pub(super) fn needs(fault: Fault) -> usize {
        match fault {
            Fault::TooShort | Fault::TooLarge => 4,
            Fault::Version => 5,
            Fault::Capability => 29,
        }
    }
}

use oracle::Fault;

/// Limits that a receiver may have told.
const LIMITS: [u32; 3] = [4_096, 65_536, MAX_FRAME];
const START: u16 = 0x0008;
const CODE: u16 = 0x0193;
const APP: u16 = 0x0f01;
const TENANT: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
const CORR: u64 = 0x1122_3344_5566_7788;

/// A header laid out by Table 1, byte by byte.
fn layout(len: u32, ver: u8, flags: u16, cap_len: u16) -> [u8; 37] {
    let mut out = [0; 37];
    let mut at = 0;
    let mut put = |value: u128, size: usize| {
        for byte in 0..size {
            out[at] = (value >> (8 * byte)) as u8;
            at += 1;
        }
    };
    put(len.into(), 4);
    put(ver.into(), 1);
    put(flags.into(), 2);
    put(CODE.into(), 2);
    put(APP.into(), 2);
    put(TENANT, 16);
    put(cap_len.into(), 2);
    put(CORR.into(), 8);
    assert_eq!(at, 37);
    out
}

fn fault_of(fault: FrameFault) -> (Fault, Reason) {
    let seen = match fault {
        FrameFault::TooShort { .. } => Fault::TooShort,
        FrameFault::TooLarge { .. } => Fault::TooLarge,
        FrameFault::Version { .. } => Fault::Version,
        FrameFault::CapabilityTooLong { .. } | FrameFault::CapabilityWithoutStart { .. } => {
            Fault::Capability
        }
        other => panic!("a header cannot show {other:?}"),
    };
    (seen, fault.reason())
}

/// Parses one header and compares verdict, reason and every field.
fn check(len: u32, ver: u8, flags: u16, cap_len: u16, max_frame: u32) {
    let bytes = layout(len, ver, flags, cap_len);
    let start = flags & START != 0;
    let expected = oracle::judge(
        len.into(),
        ver.into(),
        start,
        cap_len.into(),
        max_frame.into(),
    );
    match (Header::parse(&bytes, max_frame), expected) {
        (Err(fault), Some(expected)) => {
            let reason = match expected {
                Fault::TooLarge => Reason::TooLarge,
                Fault::Version => Reason::BadVersion,
                Fault::TooShort | Fault::Capability => Reason::BadFrame,
            };
            assert_eq!(fault_of(fault), (expected, reason));
        }
        (Ok(header), None) => {
            assert_eq!(header.len, len);
            assert_eq!(header.flags.bits(), flags);
            assert_eq!(header.code.get(), CODE);
            assert_eq!(header.app_proto_id, APP);
            assert_eq!(header.tenant_id, TENANT);
            assert_eq!(header.cap_len, cap_len);
            assert_eq!(header.corr_id, CORR);
            assert_eq!(header.frame_len(), len as usize + 4);
            assert_eq!(
                header.payload_len(),
                len as usize - 33 - usize::from(cap_len)
            );
            assert_eq!(header.encode(), bytes);
        }
        (seen, expected) => panic!(
            "len {len}, ver {ver}, flags {flags:#06x}, cap_len {cap_len}, max_frame {max_frame}: \
             {seen:?}, not {expected:?}"
        ),
    }
}

/// Every boundary of `len` under a limit.
fn boundary_lens(max_frame: u32) -> [u32; 12] {
    [
        0,
        1,
        32,
        33,
        34,
        33 + 255,
        33 + 256,
        max_frame - 1,
        max_frame,
        max_frame + 1,
        1 << 31,
        u32::MAX,
    ]
}

// OAP-1-1 OAP-1-3 OAP-1-4 OAP-1-6 OAP-2-1
#[test]
fn every_value_of_flags_at_every_boundary_of_len_and_cap_len() {
    let mut checked = 0_u64;
    for max_frame in LIMITS {
        for len in boundary_lens(max_frame) {
            let room = len.saturating_sub(33);
            let caps = [0, 1, room, room.saturating_add(1), 65_535];
            let mut caps: Vec<u16> = caps
                .into_iter()
                .filter_map(|cap| cap.try_into().ok())
                .collect();
            caps.sort_unstable();
            caps.dedup();
            for cap_len in caps {
                for flags in 0..=u16::MAX {
                    check(len, 1, flags, cap_len, max_frame);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 6_000_000, "{checked} headers");
}

// OAP-2-1 OAP-2-2
#[test]
fn every_value_of_flags_is_told_apart_as_table_2_says() {
    for bits in 0..=u16::MAX {
        let flags = Flags::from_bits(bits);
        assert_eq!(flags.bits(), bits);
        assert_eq!(flags.has_reserved(), bits >= 0x0100);
        assert_eq!(flags.directions().bits(), bits % 8);
        for (bit, flag) in [
            Flags::REQ,
            Flags::RESP,
            Flags::EVENT,
            Flags::START,
            Flags::END,
            Flags::ACK_REQ,
            Flags::COMP,
            Flags::APP_E2E,
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(flags.contains(flag), bits >> bit & 1 == 1);
        }
    }
}

// OAP-1-6
#[test]
fn every_cap_len_at_every_boundary_of_len() {
    for len in [33, 34, 33 + 255, 33 + 65_534, 33 + 65_535, MAX_FRAME] {
        for cap_len in 0..=u16::MAX {
            for flags in [0, START, !START, u16::MAX] {
                check(len, 1, flags, cap_len, MAX_FRAME);
            }
        }
    }
}

// OAP-1-5 OAP-1-7
#[test]
fn every_ver_and_every_len_up_to_the_largest_frame() {
    for ver in 0..=u8::MAX {
        for len in boundary_lens(MAX_FRAME) {
            for cap_len in [0, 1, 65_535] {
                check(len, ver, START, cap_len, MAX_FRAME);
                check(len, ver, 0, cap_len, MAX_FRAME);
            }
        }
    }
    for len in 0..=MAX_FRAME + 2 {
        check(len, 1, 0, 0, MAX_FRAME);
    }
}

// OAP-1-7
#[test]
fn a_fault_shows_as_soon_as_its_bytes_are_there_and_no_sooner() {
    for max_frame in LIMITS {
        for len in boundary_lens(max_frame) {
            for ver in [0, 1, 2, 255] {
                for (flags, cap_len) in [
                    (0, 0),
                    (0, 1),
                    (START, 1),
                    (START, 255),
                    (START, 256),
                    (START, 65_535),
                    (u16::MAX, 257),
                ] {
                    let bytes = layout(len, ver, flags, cap_len);
                    let start = flags & START != 0;
                    let expected = oracle::judge(
                        len.into(),
                        ver.into(),
                        start,
                        cap_len.into(),
                        max_frame.into(),
                    );
                    for there in 0..=37 {
                        let due = expected.filter(|fault| there >= oracle::needs(*fault));
                        let next = [4, 5, 29].into_iter().find(|&need| need > there);
                        match (Header::check_prefix(&bytes[..there], max_frame), due) {
                            (Err(fault), Some(due)) => assert_eq!(fault_of(fault).0, due),
                            (Ok(need), None) => assert_eq!(need, next.unwrap_or(37)),
                            (seen, due) => panic!("{there} bytes of {bytes:?}: {seen:?}, {due:?}"),
                        }
                    }
                }
            }
        }
    }
}
