//! `checkpoints` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ccsr_fuzz::checkpoints(input));
