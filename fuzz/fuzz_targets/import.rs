//! What other tools wrote: the first byte says which of them.
#![no_main]

use evenkeel_import::{Format, import};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else { return };
    let (_, format) = Format::NAMES[usize::from(*first) % Format::NAMES.len()];
    if let Ok(imported) = import(format, "it", text) {
        evenkeel_import::to_yaml(&imported.tests);
    }
});
