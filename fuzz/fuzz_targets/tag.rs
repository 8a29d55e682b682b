#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dsys_transport::fuzzing::tag(bytes));
