#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dsys_core::fuzzing::ticket_content(bytes));
