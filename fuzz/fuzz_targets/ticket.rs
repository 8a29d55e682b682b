#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| dsys_core::fuzzing::ticket(text));
