//! What a target says of itself: the text format and OpenMetrics.
#![no_main]

use evenkeel_metrics::exposition::{Format, Parser, Said};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = Parser::utf8(bytes) else { return };
    for format in [Format::Text, Format::OpenMetrics] {
        let mut parser = Parser::new(text, format);
        while let Some(said) = parser.next() {
            if let Ok(Said::Sample(_)) = said {
                assert!(parser.labels().count() > 0);
            }
        }
    }
});
