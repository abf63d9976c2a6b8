//! Netlink messages: what goes to the kernel and what comes back, as bytes.
//!
//! ```text
//! message    length u32 · kind u16 · flags u16 · sequence u32 · port u32 │ family u8 · version u8 · resource be16 │ attributes
//! attribute  length u16 · kind u16 │ value, filled up to four bytes; a nest holds attributes
//! ```
//!
//! The frame is in the machine's byte order; what nfnetlink puts inside is in the network's. Reading never
//! fails half-way: what is cut off or makes no sense ends the list, and whoever misses something says so.

use std::fmt;

use rustix::io::Errno;

/// Flags of a request.
pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;
/// Flags of an answer.
const INTERRUPTED: u16 = 0x10;
const CAPPED: u16 = 0x100;
const WITH_ATTRIBUTES: u16 = 0x200;

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Kinds below this belong to netlink itself, and have no nfnetlink header.
const FIRST_OF_FAMILY: u16 = 0x10;

const HEADER_BYTES: usize = 16;
const FAMILY_BYTES: usize = 4;
const ATTRIBUTE_BYTES: usize = 4;
const NESTED: u16 = 0x8000;
/// The two upper bits of a kind say how the value is to be read.
const KIND_MASK: u16 = 0x3fff;

/// Which attribute of an error says what was wrong, in words.
const ERROR_MESSAGE: u16 = 1;

/// What a message is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Subsystem in the upper byte, message in the lower one.
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    /// Family of protocols: `AF_*` or `NFPROTO_*`.
    pub(crate) family: u8,
    /// Number of a queue; subsystem of a batch; else 0.
    pub(crate) resource: u16,
}

/// Messages to send, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds a message; `fill` writes its attributes.
    pub(crate) fn message(
        &mut self,
        subject: Subject,
        sequence: u32,
        fill: impl FnOnce(&mut Values<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&subject.kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(subject.flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        // The kernel fills in our port.
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[subject.family, 0]);
        self.bytes.extend_from_slice(&subject.resource.to_be_bytes());
        fill(&mut Values(&mut self.bytes));
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets all messages, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// The attributes of a message or of a nest, as they are written.
pub(crate) struct Values<'a>(&'a mut Vec<u8>);

impl Values<'_> {
    /// A value as it is; at most 65 531 bytes, of which nothing here comes near but a packet's payload,
    /// and that came in an attribute.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |it| it.extend_from_slice(value));
    }

    /// A text, ended by a zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |it| {
            it.extend_from_slice(value.as_bytes());
            it.push(0);
        });
    }

    pub(crate) fn be16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Attributes within an attribute.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Values<'_>)) {
        self.attribute(kind | NESTED, |it| fill(&mut Values(it)));
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        fill(self.0);
        let length = self.0.len() - start;
        let length = u16::try_from(length).expect("an attribute is shorter than 64 KiB");
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(start + aligned(length.into()), 0);
    }
}

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A message of the kernel.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    flags: u16,
    /// All after the header.
    body: &'a [u8],
}

/// What the kernel says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done.
    Done,
    Refused(Refused),
}

/// The kernel did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refused {
    pub(crate) errno: Errno,
    /// The kernel's own words, where it has some.
    pub(crate) message: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno)?;
        self.message.as_ref().map_or(Ok(()), |it| write!(f, ": {it}"))
    }
}

impl<'a> Message<'a> {
    /// The verdict on a request, when this message is one.
    pub(crate) fn answer(&self) -> Option<Answer> {
        if self.kind != ERROR && self.kind != DONE {
            return None;
        }
        // A dump may end without a code.
        let code = self.body.first_chunk().map_or(0, |it| i32::from_ne_bytes(*it));
        if code == 0 {
            return Some(Answer::Done);
        }
        let number = code.saturating_neg();
        // The kernel has no others.
        let known = (1..4096).contains(&number);
        let errno = if known { Errno::from_raw_os_error(number) } else { Errno::IO };
        Some(Answer::Refused(Refused { errno, message: self.words() }))
    }

    /// What was wrong, in the kernel's words. They lie behind the request, which is repeated.
    fn words(&self) -> Option<String> {
        if self.kind != ERROR || self.flags & WITH_ATTRIBUTES == 0 {
            return None;
        }
        let request = self.body.get(4..)?;
        let length = match self.flags & CAPPED {
            0 => u32::from_ne_bytes(*request.first_chunk()?) as usize,
            _ => HEADER_BYTES,
        };
        let found = attributes(request.get(length.checked_next_multiple_of(4)?..)?);
        text(found.clone().find(|(kind, _)| *kind == ERROR_MESSAGE)?.1)
    }

    /// Whether what is being listed changed meanwhile, so that something may be missing.
    pub(crate) const fn is_interrupted(&self) -> bool {
        self.flags & INTERRUPTED != 0
    }

    /// What the message says.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        let skipped = if self.kind < FIRST_OF_FAMILY { 0 } else { FAMILY_BYTES };
        attributes(self.body.get(skipped..).unwrap_or_default())
    }
}

/// All whole messages at the beginning of `bytes`.
pub(crate) const fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages(bytes)
}

/// Messages one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.0.first_chunk::<HEADER_BYTES>()?;
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let whole = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap_or([0; 4]));
        let length = whole(0) as usize;
        let body = self.0.get(HEADER_BYTES..length)?;
        let message = Message { kind: half(4), flags: half(6), sequence: whole(8), body };
        self.0 = length.checked_next_multiple_of(4).and_then(|it| self.0.get(it..)).unwrap_or(&[]);
        Some(message)
    }
}

/// All whole attributes at the beginning of `bytes`.
pub(crate) const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes(bytes)
}

/// Attributes one after the other: their kinds and values.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let [a, b, c, d] = *self.0.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = self.0.get(ATTRIBUTE_BYTES..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or(&[]);
        Some((u16::from_ne_bytes([c, d]) & KIND_MASK, value))
    }
}

/// A text that may end with a zero.
pub(crate) fn text(value: &[u8]) -> Option<String> {
    let value = value.split(|it| *it == 0).next().unwrap_or_default();
    String::from_utf8(value.to_vec()).ok()
}

/// A whole number of the network's byte order.
pub(crate) fn be32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A whole number of the network's byte order.
pub(crate) fn be64(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBJECT: Subject = Subject { kind: 0x0a00, flags: ACK, family: 1, resource: 7 };

    /// An answer as the kernel writes it: the code, the request's header, and words.
    fn refusal(code: i32, flags: u16, request: &[u8], words: &str) -> Vec<u8> {
        let mut body = code.to_ne_bytes().to_vec();
        body.extend_from_slice(request);
        Values(&mut body).text(ERROR_MESSAGE, words);
        let mut bytes = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&ERROR.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&9u32.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_has_the_bytes_that_the_kernel_expects() {
        let mut writer = Writer::default();
        writer.message(SUBJECT, 5, |it| {
            it.text(1, "ab");
            it.nest(2, |it| it.be16(3, 0x1234));
        });
        let expected: &[&[u8]] = &[
            &[40, 0, 0, 0, 0x00, 0x0a, 0x05, 0, 5, 0, 0, 0, 0, 0, 0, 0],
            &[1, 0, 0, 7],
            &[7, 0, 1, 0, b'a', b'b', 0, 0],
            &[12, 0, 2, 0x80, 6, 0, 3, 0, 0x12, 0x34, 0, 0],
        ];
        assert_eq!(writer.bytes(), expected.concat());
    }

    #[test]
    fn an_acknowledgement_is_told_from_a_refusal_and_its_words_are_kept() {
        let mut request = Writer::default();
        request.message(SUBJECT, 9, |it| it.text(1, "a longer text"));
        for (flags, request) in [
            (WITH_ATTRIBUTES, request.bytes()),
            (WITH_ATTRIBUTES | CAPPED, &request.bytes()[..HEADER_BYTES]),
        ] {
            let bytes = refusal(-1, flags, request, "not yours");
            let message = messages(&bytes).next().unwrap();
            let refused = Refused { errno: Errno::PERM, message: Some("not yours".to_owned()) };
            assert!(refused.to_string().ends_with(": not yours"), "{refused}");
            assert_eq!((message.sequence, message.answer()), (9, Some(Answer::Refused(refused))));
        }
        let done = refusal(0, 0, request.bytes(), "");
        assert_eq!(messages(&done).next().unwrap().answer(), Some(Answer::Done));
        assert_eq!(messages(request.bytes()).next().unwrap().answer(), None);
    }

    /// A tree of attributes, and how it is written and read back.
    #[derive(Clone, Debug, PartialEq)]
    enum Tree {
        Leaf(Vec<u8>),
        Nest(Vec<(u16, Tree)>),
    }

    impl Tree {
        fn write(&self, kind: u16, to: &mut Values<'_>) {
            match self {
                Self::Leaf(value) => to.bytes(kind, value),
                Self::Nest(inner) => {
                    to.nest(kind, |to| inner.iter().for_each(|(kind, it)| it.write(*kind, to)));
                }
            }
        }

        fn is_in(&self, value: &[u8]) -> bool {
            match self {
                Self::Leaf(own) => own == value,
                Self::Nest(inner) => {
                    let read: Vec<_> = attributes(value).collect();
                    let same = |((kind, it), (read, value)): (&(u16, Self), &(u16, &[u8]))| {
                        kind == read && it.is_in(value)
                    };
                    read.len() == inner.len() && inner.iter().zip(&read).all(same)
                }
            }
        }
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..20).prop_map(Tree::Leaf);
        leaf.prop_recursive(3, 20, 4, |inner| {
            proptest::collection::vec((0..KIND_MASK, inner), 0..4).prop_map(Tree::Nest)
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(trees in proptest::collection::vec(tree(), 0..4), sequence: u32) {
            let mut writer = Writer::default();
            for tree in &trees {
                writer.message(SUBJECT, sequence, |it| tree.write(3, it));
            }
            prop_assert_eq!(writer.bytes().len() % 4, 0);
            let read: Vec<_> = messages(writer.bytes()).collect();
            prop_assert_eq!(read.len(), trees.len());
            for (message, tree) in read.iter().zip(&trees) {
                prop_assert_eq!((message.kind, message.sequence), (SUBJECT.kind, sequence));
                let (kind, value) = message.attributes().next().unwrap();
                prop_assert!(kind == 3 && tree.is_in(value));
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic_or_turn_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE_BYTES);
            prop_assert!(messages(&bytes).count() <= bytes.len() / HEADER_BYTES);
        }

        #[test]
        fn no_damage_to_an_answer_makes_the_reader_panic(at in 0usize..80, to: u8, cut in 0usize..80) {
            let mut request = Writer::default();
            request.message(SUBJECT, 9, |it| it.text(1, "a text"));
            let mut bytes = refusal(-22, WITH_ATTRIBUTES, request.bytes(), "words");
            let length = bytes.len();
            bytes[at % length] = to;
            bytes.truncate(length - cut % length);
            for message in messages(&bytes) {
                message.answer();
                message.attributes().for_each(|(_, value)| { text(value); be32(value); be64(value); });
            }
        }
    }
}
