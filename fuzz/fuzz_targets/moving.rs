#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memoryd::fuzzing::moving(data));
