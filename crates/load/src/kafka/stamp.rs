//! Stamps: the header by which a record is known again when it is fetched. It is text, since there are consumers
//! who read every header as text.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_units::Moment;

/// Its name.
pub(super) const HEADER: &str = "evenkeel-sent";

const BYTES: usize = 40;

/// What is remembered with a record.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which load it is of.
    pub(super) load: u64,
    /// Which process sent it: only there do the moments mean anything.
    pub(super) process: u64,
    /// When it was due.
    pub(super) due: Moment,
    /// When it was sent.
    pub(super) sent: Moment,
    /// When it was due, in microseconds of people's time.
    pub(super) due_wall: i64,
}

impl Stamp {
    pub(super) fn write(self) -> Vec<u8> {
        let Self { load, process, due, sent, due_wall } = self;
        let nanos = |it: Moment| it.elapsed().as_nanos() as u64;
        let words = [load, process, nanos(due), nanos(sent), due_wall.cast_unsigned()];
        STANDARD.encode(words.map(u64::to_be_bytes).as_flattened()).into_bytes()
    }

    /// Reads what somebody sent; `None` when it is no stamp.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; BYTES];
        let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
        if length != BYTES {
            return None;
        }
        let (words, _) = bytes.as_chunks::<8>();
        let word = |n: usize| u64::from_be_bytes(words[n]);
        let moment = |n| Moment::at(Duration::from_nanos(word(n)));
        Some(Self {
            load: word(0),
            process: word(1),
            due: moment(2),
            sent: moment(3),
            due_wall: word(4).cast_signed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stamp_is_read_as_it_was_written(words: [u64; 4], due_wall: i64) {
            let [load, process, due, sent] = words;
            let moment = |it| Moment::at(Duration::from_nanos(it));
            let stamp = Stamp { load, process, due: moment(due), sent: moment(sent), due_wall };
            prop_assert_eq!(Stamp::read(&stamp.write()), Some(stamp));
        }

        #[test]
        fn other_texts_are_no_stamp(text in "[A-Za-z0-9+/=]{0,55}|[A-Za-z0-9+/]{57,80}|.{56}.") {
            prop_assert_eq!(Stamp::read(text.as_bytes()), None);
        }
    }
}
