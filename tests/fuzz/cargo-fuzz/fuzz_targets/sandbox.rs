#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openclaw_fuzz::run("sandbox", bytes));
