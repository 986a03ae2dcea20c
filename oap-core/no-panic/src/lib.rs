//! Every public call of `oap-core`, kept in one library without the standard library.
//!
//! Nothing here is run. `check` links the library, drops what cannot be reached from
//! [`oap_public_calls`], and looks for calls of panicking functions in what is left.
#![no_std]

extern crate alloc;

mod calls;

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::hint::black_box;
use core::panic::PanicInfo;

/// Takes the address of every public call, so that the linker keeps each as it is compiled for a
/// caller that nothing is known of.
#[unsafe(no_mangle)]
pub extern "C" fn oap_public_calls() {
    calls::connection();
    calls::exchange();
    calls::transmit();
    calls::values();
    calls::config();
    calls::codec();
    calls::bodies();
    calls::policies();
    calls::texts();
    #[cfg(feature = "bite")]
    keep((|bytes, at| bytes[at]) as fn(&[u8], usize) -> u8);
}

/// Makes the compiler believe that a call is used in ways it cannot see.
fn keep<F>(call: F) {
    black_box(call);
}

unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// The C library's memory.
struct Libc;

// SAFETY: the C library keeps to the contract; its sizes are multiples of the alignment.
unsafe impl GlobalAlloc for Libc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a layout's alignment is a power of two.
        unsafe { aligned_alloc(layout.align(), layout.pad_to_align().size()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller got the block from `alloc`.
        unsafe { free(block.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: Libc = Libc;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Otherwise all panicking functions were the same empty loop, and the compiler made them one.
    black_box(info);
    loop {
        core::hint::spin_loop();
    }
}
