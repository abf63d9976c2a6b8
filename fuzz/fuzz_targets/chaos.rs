//! Experiments of other tools: the first byte says which of them.
#![no_main]

use evenkeel_import::chaos::{Format, import, to_yaml};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else { return };
    let format = Format::NAMES.get(usize::from(*first) % (Format::NAMES.len() + 1));
    if let Ok(imported) = import(format.map(|(_, it)| *it), "it", text) {
        to_yaml(&imported.experiments);
    }
});
