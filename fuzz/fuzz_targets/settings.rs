#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oap_fuzz::settings(data));
