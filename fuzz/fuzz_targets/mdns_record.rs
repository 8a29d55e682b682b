#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| dsys_transport::fuzzing::mdns_record(text));
