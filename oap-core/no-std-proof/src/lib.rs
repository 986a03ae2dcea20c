//! A client and a server of `oap-core` in a library without the standard library.
//!
//! The panic handler below is the proof: if any dependency linked `std`, there would be two of them,
//! and the compiler would refuse.
#![no_std]

extern crate alloc;
#[cfg(feature = "leak")]
extern crate std;

use alloc::sync::Arc;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use oap_core::{Code, Config, Connection, Event, Fin, Head, Lane, Timestamp};

const HEAP: usize = 256 * 1024;

/// Gives memory out and never takes it back.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    used: AtomicUsize,
}

// SAFETY: `used` hands every byte of the heap out once.
unsafe impl Sync for Bump {}

// SAFETY: a block lies within the heap, is aligned, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.heap.get().cast::<u8>();
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let free = (base as usize).checked_add(used)?;
                let start = free.checked_next_multiple_of(layout.align())? - base as usize;
                let end = start.checked_add(layout.size())?;
                (end <= HEAP).then_some(end)
            });
        match taken {
            // SAFETY: the closure has checked that the block lies within the heap.
            Ok(used) => unsafe {
                let free = base as usize + used;
                base.add(free.next_multiple_of(layout.align()) - base as usize)
            },
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump {
    heap: UnsafeCell::new([0; HEAP]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// One request and its answer; 0 if the bytes come back.
#[unsafe(no_mangle)]
pub extern "C" fn oap_proof() -> u32 {
    u32::from(echo(b"ping").as_deref() != Some(b"ping"))
}

fn echo(text: &'static [u8]) -> Option<Bytes> {
    let (now, config) = (Timestamp::ZERO, Arc::new(Config::default()));
    let mut client = Connection::client(config.clone(), now);
    let mut server = Connection::server(config, now);
    client
        .request(now, Head::new(1), text.into(), Fin::End)
        .ok()?;
    carry(&mut client, &mut server, now);
    while let Some(event) = server.poll_event() {
        if let Event::Opened { id, payload, .. } = event {
            let body = payload.into_wire_bytes().into();
            server.exchange(id)?.respond(Code::OK, body).ok()?;
        }
    }
    carry(&mut server, &mut client, now);
    while let Some(event) = client.poll_event() {
        if let Event::Data { payload, .. } = event {
            return Some(payload.into_wire_bytes());
        }
    }
    None
}

fn carry(from: &mut Connection, to: &mut Connection, now: Timestamp) {
    let mut wire = BytesMut::new();
    while let Some(mut out) = from.poll_transmit(Lane::FIRST, now) {
        while out.has_remaining() {
            let chunk = out.chunk();
            let taken = chunk.len();
            wire.extend_from_slice(chunk);
            out.advance(taken);
        }
    }
    to.handle_input(Lane::FIRST, now, &mut wire);
}
