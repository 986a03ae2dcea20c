//! Properties of streams: how they are split does not matter, what goes in comes out, and nothing
//! that a peer or an application does passes a bound.

use bytes::{Buf, Bytes, BytesMut};
use oap_core::testing::bodies::{any_bytes, any_frames, transcript};
use oap_core::wire::{Decoder, Flags, FrameQueue, Header, MAX_FRAME, MIN_LEN};
use oap_core::{Code, Role};
use proptest::collection::vec;
use proptest::prelude::*;

/// A frame: its header, capability and payload.
fn any_frame() -> impl Strategy<Value = (Header, Vec<u8>, Vec<u8>)> {
    (
        any::<(u16, u16, u16, u128, u64)>(),
        vec(any::<u8>(), 0..300),
        prop_oneof![
            vec(any::<u8>(), 0..600),
            (0_usize..20_000).prop_map(|size| vec![7; size])
        ],
    )
        .prop_map(|((flags, code, app, tenant, corr), mut cap, payload)| {
            let flags = Flags::from_bits(flags);
            if !flags.contains(Flags::START) {
                cap.clear();
            }
            let header = Header {
                len: MIN_LEN + (cap.len() + payload.len()) as u32,
                flags,
                code: Code::new(code),
                app_proto_id: app,
                tenant_id: tenant,
                cap_len: cap.len() as u16,
                corr_id: corr,
            };
            (header, cap, payload)
        })
}

/// A stream of frames that a good client sends: exchanges one after another or interleaved.
fn client_stream() -> impl Strategy<Value = Vec<u8>> {
    let step = (0_u64..6, 0_u8..6, 0_usize..900);
    vec(step, 0..60).prop_map(|steps| {
        let mut wire = Vec::new();
        let (mut open, mut next) = ([None::<u64>; 6], 1);
        for (slot, what, size) in steps {
            let slot = &mut open[slot as usize];
            let (corr, flags) = match (*slot, what) {
                (None, 0 | 1) => {
                    next += 1;
                    (next - 1, 0x19)
                }
                (None, kind) => {
                    next += 1;
                    *slot = Some(next - 1);
                    (next - 1, if kind < 4 { 0x09 } else { 0x29 })
                }
                (Some(corr), 0) => {
                    *slot = None;
                    (corr, 0x11)
                }
                (Some(corr), _) => (corr, 0x01),
            };
            let header = Header {
                len: MIN_LEN + size as u32,
                flags: Flags::from_bits(flags),
                code: Code::OK,
                app_proto_id: 1,
                tenant_id: 0,
                cap_len: 0,
                corr_id: corr,
            };
            wire.extend_from_slice(&header.encode());
            wire.resize(wire.len() + size, corr as u8);
        }
        wire
    })
}

/// What a good server answers to the eight requests of `transcript`.
fn server_stream() -> impl Strategy<Value = Vec<u8>> {
    vec((1_u64..=8, 0_usize..900, any::<bool>()), 0..40).prop_map(|steps| {
        let mut wire = Vec::new();
        let mut over = [false; 9];
        for (corr, size, end) in steps {
            if std::mem::replace(&mut over[corr as usize], end) {
                over[corr as usize] = true;
                continue;
            }
            let header = Header {
                len: MIN_LEN + size as u32,
                flags: Flags::from_bits(if end { 0x12 } else { 0x02 }),
                code: Code::OK,
                app_proto_id: 1,
                tenant_id: 0,
                cap_len: 0,
                corr_id: corr,
            };
            wire.extend_from_slice(&header.encode());
            wire.resize(wire.len() + size, corr as u8);
        }
        wire
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // OAP-1-1 OAP-1-2
    #[test]
    fn every_frame_comes_back_however_it_is_split(
        frames in vec(any_frame(), 1..5),
        step in 1_usize..700,
        write in 1_usize..700,
    ) {
        let mut queue = FrameQueue::new();
        for (header, cap, payload) in &frames {
            queue.push(header, Bytes::from(cap.clone()), Bytes::from(payload.clone()));
        }
        let mut wire = Vec::new();
        while queue.has_remaining() {
            let take = queue.chunk().len().min(write);
            wire.extend_from_slice(&queue.chunk()[..take]);
            queue.advance(take);
        }
        let mut decoder = Decoder::new(MAX_FRAME);
        let mut buf = BytesMut::new();
        let mut back = Vec::new();
        for piece in wire.chunks(step) {
            buf.extend_from_slice(piece);
            while let Some(frame) = decoder.decode(&mut buf).expect("the frames are legal") {
                back.push((frame.header, frame.capability().to_vec(), frame.payload().to_vec()));
            }
        }
        prop_assert!(buf.is_empty());
        prop_assert_eq!(back, frames);
    }

    #[test]
    fn a_writer_that_is_always_behind_gets_every_byte_in_order(
        steps in vec((0_usize..300, 0_usize..600), 500..900),
    ) {
        // The first pushes pile up more than the queue keeps for good.
        let (mut queue, mut pushed, mut written) = (FrameQueue::new(), Vec::new(), Vec::new());
        for (turn, (size, write)) in steps.iter().copied().enumerate() {
            let header = Header {
                len: MIN_LEN + size as u32,
                flags: Flags::RESP,
                code: Code::OK,
                app_proto_id: 1,
                tenant_id: 0,
                cap_len: 0,
                corr_id: turn as u64,
            };
            let payload = vec![turn as u8; size];
            pushed.extend_from_slice(&header.encode());
            pushed.extend_from_slice(&payload);
            queue.push(&header, Bytes::new(), Bytes::from(payload));
            let mut left = if turn < 450 { write / 64 } else { write };
            while left > 0 && queue.has_remaining() {
                let take = queue.chunk().len().min(left);
                written.extend_from_slice(&queue.chunk()[..take]);
                queue.advance(take);
                left -= take;
            }
        }
        prop_assert_eq!(queue.remaining() + written.len(), pushed.len());
        while queue.has_remaining() {
            let take = queue.chunk().len();
            written.extend_from_slice(queue.chunk());
            queue.advance(take);
        }
        prop_assert!(written == pushed);
    }

    // OAP-1-2
    #[test]
    fn a_server_does_the_same_however_its_input_is_split(
        wire in client_stream(),
        pieces in vec(1_usize..200, 0..200),
    ) {
        let whole = transcript(Role::Server, &wire, &[]);
        prop_assert_eq!(&transcript(Role::Server, &wire, &pieces), &whole);
        let single = vec![1; wire.len()];
        prop_assert_eq!(&transcript(Role::Server, &wire, &single), &whole);
    }

    // OAP-1-2
    #[test]
    fn a_client_does_the_same_however_its_input_is_split(
        wire in server_stream(),
        pieces in vec(1_usize..200, 0..200),
    ) {
        let whole = transcript(Role::Client, &wire, &[]);
        prop_assert_eq!(&transcript(Role::Client, &wire, &pieces), &whole);
        let single = vec![1; wire.len()];
        prop_assert_eq!(&transcript(Role::Client, &wire, &single), &whole);
    }

    #[test]
    fn no_bytes_pass_a_bound(data in vec(any::<u8>(), 0..3_000)) {
        any_bytes(Role::Server, &data);
        any_bytes(Role::Client, &data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_frames_pass_a_bound_of_a_server(data in vec(any::<u8>(), 0..3_000)) {
        any_frames(Role::Server, &data);
    }

    #[test]
    fn no_frames_pass_a_bound_of_a_client(data in vec(any::<u8>(), 0..3_000)) {
        any_frames(Role::Client, &data);
    }
}
