//! The targets over their corpus, and over noise that is made of it.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Every input of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files.iter().map(|it| std::fs::read(it).unwrap()).collect()
}

#[test]
fn every_target_holds_over_its_corpus_in_pieces_of_every_size() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "{name}");
        for mut input in inputs {
            target(&input);
            for first in 0..=0x7f {
                input[0] = first;
                target(&input);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_target_holds_over_noise(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (name, target) in TARGETS {
            target(&bytes);
            let inputs = corpus(name);
            let mut input = which.get(&inputs).clone();
            input.truncate(cut.index(input.len() + 1).max(2));
            input.extend(&other.get(&inputs)[2..]);
            for (at, byte) in &changes {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            target(&input);
        }
    }
}
