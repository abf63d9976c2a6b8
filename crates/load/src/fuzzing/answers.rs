//! Answers: parts of bodies, by paths and between texts that are noise too.

use evenkeel_model::document::{Extract, Source};

use crate::answer::{Extractor, Headers};

/// The first line is the path, the second the text before; the rest is the body.
pub fn answers(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |it| *it == b'\n');
    let (Some(path), Some(before), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let headers = Headers::default();
    for from in [Source::Json(text(path)), Source::Between(text(before), text(path))] {
        let extract = Extract { var: "it".to_owned(), from, default: None };
        let Ok(extractor) = Extractor::new(&extract, 0) else { continue };
        let found = extractor.find(Some(200), &headers, body);
        assert!(
            found.is_none_or(|it| it.len() <= body.len()),
            "a part is no longer than the whole"
        );
    }
}
