#![no_main]

use oap_core::testing::bodies;
use oap_fuzz::HEAP;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::policy(data, HEAP));
