//! The events of the parser → trees. Keeps its own stack, so depth costs no stack of ours.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::anchored::Anchored;
use super::{
    Entry, MAX_BYTES, MAX_DEPTH, MAX_DOCUMENTS, MAX_MARKS, MAX_NODES, MAX_REPEATED_BYTES, Node,
    Place, Source, Value,
};
use crate::decode::{Findings, codes};

/// What was read of a file.
#[derive(Clone, Debug)]
pub struct Text {
    /// The file itself.
    pub source: Source,
    /// The root of each document that could be read; those without content are left out.
    pub roots: Vec<Node>,
    /// The text of each document that could not.
    pub lost: Vec<String>,
}

/// Reads the bytes of the file `name`. What is wrong goes to `found`.
pub fn read(name: &str, bytes: Vec<u8>, found: &mut Findings) -> Text {
    let Some(source) = text(name, bytes, found) else {
        return Text {
            source: Source::new(name, String::new()),
            roots: Vec::new(),
            lost: Vec::new(),
        };
    };
    found.set_source(source.clone());
    let mut builder =
        Builder { source: &source, found, roots: Vec::new(), spent: Spent::default() };
    let mut lost = Vec::new();
    let mut first_line = 1;
    // A mistake costs the rest of its document; `---` begins another wherever it stands.
    while let Err(Stop::Document(line)) = builder.segment(first_line) {
        // An unclosed bracket is noticed only at the `---` of the next document, which is whole.
        let mut lines = line.max(first_line + 1)..=source.lines();
        let next = lines.find(|it| is_document_start(source.line(*it)));
        let end = next.unwrap_or(source.lines() + 1);
        lost.push(document_before(&source, first_line, end));
        match next {
            Some(next) if builder.document(Place::at_line(next)).is_ok() => first_line = next,
            Some(_) | None => break,
        }
    }
    let roots = builder.roots;
    Text { source, roots, lost }
}

/// The beginning of the last document that begins in these lines.
fn document_before(source: &Source, from: usize, end: usize) -> String {
    /// Enough for the envelope.
    const LINES: usize = 40;
    let start = (from..end).rev().find(|it| is_document_start(source.line(*it))).unwrap_or(from);
    let lines = (start..end).take(LINES).map(|it| source.line(it));
    lines.filter(|it| it.len() < 1_000).map(|it| format!("{it}\n")).collect()
}

fn is_document_start(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|it| it.is_empty() || it.starts_with([' ', '\t']))
}

/// The text of the file, when it is one and not too large.
fn text(name: &str, bytes: Vec<u8>, found: &mut Findings) -> Option<Source> {
    let whole = Place::default();
    if bytes.len() > MAX_BYTES {
        let message = format!("larger than {} MiB", MAX_BYTES >> 20);
        let empty = Source::new(name, String::new());
        let help = "Split the documents over several files.";
        found.add(empty.diagnostic(codes::TOO_LARGE, whole, message, help));
        return None;
    }
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Some(Source::new(name, text)).filter(|it| marks_fit(it, found)),
        Err(error) => error,
    };
    let good = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(good).copied().unwrap_or_default();
    let before = error.as_bytes().get(..good).unwrap_or_default();
    let before = Source::new(name, String::from_utf8_lossy(before).into_owned());
    let line = before.lines();
    let column = before.line(line).chars().count() + 1;
    let place = Place { line: line as u32, column: column as u32, length: 1 };
    let message = format!("byte 0x{byte:02x} is not UTF-8");
    found.add(before.diagnostic(codes::NOT_UTF8, place, message, "Save the file as UTF-8."));
    None
}

fn marks_fit(source: &Source, found: &mut Findings) -> bool {
    let marks = source.text().bytes().filter(|it| b",[]{}\"':?&*!".contains(it)).count();
    if marks > MAX_MARKS {
        let message = format!("more than {MAX_MARKS} brackets, commas, colons and quotes");
        let help = "Split the documents over several files.";
        found.add(source.diagnostic(codes::TOO_MANY, Place::default(), message, help));
    }
    marks <= MAX_MARKS
}

/// Why reading stopped.
enum Stop {
    /// This document is lost from this line on; another may follow.
    Document(usize),
    /// The file has used up what a file may use.
    File,
}

/// What the file has used up so far.
#[derive(Default)]
struct Spent {
    nodes: usize,
    repeated_bytes: usize,
    documents: usize,
}

/// A list or a map that is not complete.
enum Open {
    List { items: Vec<Node> },
    Map { entries: Vec<Entry>, key: Option<(String, Place)>, firsts: BTreeMap<String, Place> },
}

struct Frame {
    place: Place,
    anchor: usize,
    open: Open,
}

struct Builder<'s, 'f> {
    source: &'s Source,
    found: &'f mut Findings,
    roots: Vec<Node>,
    spent: Spent,
}

impl Builder<'_, '_> {
    /// Reads from the beginning of a line on.
    fn segment(&mut self, first_line: usize) -> Result<(), Stop> {
        let source = self.source;
        let mut parser = Parser::new_from_str(source.text_from(first_line));
        let mut stack: Vec<Frame> = Vec::new();
        let mut anchors: BTreeMap<usize, Anchored> = BTreeMap::new();
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(first_line, &error))?;
            let place = self.place(first_line, span);
            let (node, anchor) = match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    anchors.clear();
                    self.document(place)?;
                    continue;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.no_tag(place, tag.is_some());
                    let plain = style == ScalarStyle::Plain;
                    let value = Value::Scalar { text: text.into_owned(), plain };
                    (Node { place, value }, anchor)
                }
                Event::SequenceStart(anchor, tag) => {
                    self.no_tag(place, tag.is_some());
                    let open = Open::List { items: Vec::new() };
                    self.open(&mut stack, Frame { place, anchor, open })?;
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    self.no_tag(place, tag.is_some());
                    let (entries, firsts) = (Vec::new(), BTreeMap::new());
                    let open = Open::Map { entries, key: None, firsts };
                    self.open(&mut stack, Frame { place, anchor, open })?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                    Some(frame) => close(frame),
                    None => continue,
                },
                Event::Alias(id) => (self.alias(&anchors, id, place, stack.len())?, 0),
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
            };
            self.spend_nodes(1, place)?;
            if anchor > 0 {
                let anchored = Anchored::new(&node);
                self.spend_nodes(anchored.nodes, place)?;
                self.spend_bytes(anchored.bytes, place)?;
                anchors.insert(anchor, anchored);
            }
            self.put(&mut stack, node)?;
        }
        Ok(())
    }

    fn document(&mut self, place: Place) -> Result<(), Stop> {
        self.spent.documents += 1;
        match self.spent.documents > MAX_DOCUMENTS {
            true => {
                let message = format!("more than {MAX_DOCUMENTS} documents in one file");
                self.report(codes::TOO_MANY, place, message, "Split them over several files.");
                Err(Stop::File)
            }
            false => Ok(()),
        }
    }

    fn open(&mut self, stack: &mut Vec<Frame>, frame: Frame) -> Result<(), Stop> {
        if stack.len() >= MAX_DEPTH {
            return Err(self.too_deep(frame.place));
        }
        if let Some(Frame { open: Open::Map { key: None, .. }, .. }) = stack.last() {
            let help = "Write a word before the colon.";
            self.report(codes::SYNTAX, frame.place, "a key is a list or a map", help);
            return Err(Stop::Document(frame.place.line as usize));
        }
        stack.push(frame);
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn put(&mut self, stack: &mut [Frame], mut node: Node) -> Result<(), Stop> {
        match stack.last_mut().map(|it| &mut it.open) {
            None => {
                if node.sort() != super::Sort::Null {
                    self.roots.push(node);
                }
            }
            Some(Open::List { items }) => items.push(node),
            Some(Open::Map { entries, key, firsts }) => match key.take() {
                None => {
                    let place = node.place;
                    let Some(text) = node.text() else {
                        let help = "Write a word before the colon.";
                        self.report(codes::SYNTAX, place, "a key is a list or a map", help);
                        return Err(Stop::Document(place.line as usize));
                    };
                    *key = Some((text.to_owned(), place));
                }
                Some((name, place)) => {
                    // An empty value has no place of its own; what is said of it is said of its key.
                    if node.text() == Some("") && node.place.length == 0 {
                        node.place = place;
                    }
                    match firsts.get(&name) {
                        Some(first) => {
                            let help = format!(
                                "It was first given on line {}, column {}; remove one of them.",
                                first.line, first.column
                            );
                            let message = format!("`{name}` is given twice");
                            self.report(codes::DUPLICATE_KEY, place, message, help);
                        }
                        None => {
                            firsts.insert(name.clone(), place);
                            entries.push(Entry { key: name, key_place: place, value: node });
                        }
                    }
                }
            },
        }
        Ok(())
    }

    fn alias(
        &mut self,
        anchors: &BTreeMap<usize, Anchored>,
        id: usize,
        place: Place,
        depth: usize,
    ) -> Result<Node, Stop> {
        // An anchor is known once its node is complete, so a node that repeats itself ends here.
        let Some(anchored) = anchors.get(&id) else {
            let help = "Write out what you mean.";
            self.report(codes::ANCHOR, place, "an alias stands inside what it repeats", help);
            return Err(Stop::Document(place.line as usize));
        };
        if depth + anchored.depth > MAX_DEPTH {
            return Err(self.too_deep(place));
        }
        self.spend_nodes(anchored.nodes, place)?;
        self.spend_bytes(anchored.bytes, place)?;
        Ok(anchored.node.clone())
    }

    fn too_deep(&mut self, place: Place) -> Stop {
        let message = format!("nested more than {MAX_DEPTH} levels deep");
        self.report(codes::TOO_DEEP, place, message, "Documents need fewer than ten levels.");
        Stop::Document(place.line as usize)
    }

    fn spend_nodes(&mut self, count: usize, place: Place) -> Result<(), Stop> {
        self.spent.nodes += count;
        self.within(self.spent.nodes <= MAX_NODES, place, || {
            format!("more than {MAX_NODES} values")
        })
    }

    fn spend_bytes(&mut self, count: usize, place: Place) -> Result<(), Stop> {
        self.spent.repeated_bytes += count;
        let within = self.spent.repeated_bytes <= MAX_REPEATED_BYTES;
        self.within(within, place, || {
            format!("aliases repeat more than {} MiB", MAX_REPEATED_BYTES >> 20)
        })
    }

    fn within(
        &mut self,
        within: bool,
        place: Place,
        message: impl FnOnce() -> String,
    ) -> Result<(), Stop> {
        if within {
            return Ok(());
        }
        let help = "Split the documents over several files, and repeat less by aliases.";
        self.report(codes::TOO_MANY, place, message(), help);
        Err(Stop::File)
    }

    fn no_tag(&mut self, place: Place, tagged: bool) {
        if tagged {
            let help = "Remove the word that begins with `!`.";
            self.report(codes::ANCHOR, place, "tags have no meaning here", help);
        }
    }

    fn syntax(&mut self, first_line: usize, error: &ScanError) -> Stop {
        let marker = error.marker();
        // The parser may stop behind the end of the text; what it means is the last line.
        let line = (marker.line() + first_line - 1).min(self.source.lines());
        let column = if line == marker.line() + first_line - 1 { marker.col() + 1 } else { 1 };
        let place = Place { line: line as u32, column: column as u32, length: 1 };
        let text = self.source.line(line);
        if let Some(place) = self.tab(line, error.info().contains("tab")) {
            self.report(codes::SYNTAX, place, "a tab in the indentation", "Indent with spaces.");
        } else if error.info().contains("unknown anchor") {
            let help = "Write `&name` before the value that `*name` repeats; quote a text that begins with `*`.";
            self.report(codes::ANCHOR, place, "an alias of which there is no anchor", help);
        } else if text.contains(": >") || text.contains("- >") {
            let message = format!("not YAML: {}", error.info());
            let help = "A value that begins with `>` needs quotes, such as `\"> 99%\"`.";
            self.report(codes::SYNTAX, place, message, help);
        } else {
            let message = format!("not YAML: {}", error.info());
            let help =
                "Check the indentation, closing brackets and quotes here and on the line above.";
            self.report(codes::SYNTAX, place, message, help);
        }
        Stop::Document(line)
    }

    /// Where the indentation of a line has a tab, or of the next one when the parser speaks of tabs.
    fn tab(&self, line: usize, or_next: bool) -> Option<Place> {
        let in_line = |line: usize| {
            let mut indent = self.source.line(line).chars().take_while(|it| it.is_whitespace());
            let column = indent.position(|it| it == '\t')? as u32 + 1;
            Some(Place { line: line as u32, column, length: 1 })
        };
        in_line(line).or_else(|| or_next.then(|| in_line(line + 1)).flatten())
    }

    fn report(
        &mut self,
        code: crate::decode::Code,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.report(code, place, message, help);
    }

    fn place(&self, first_line: usize, span: Span) -> Place {
        let line = span.start.line() + first_line - 1;
        let column = span.start.col() + 1;
        let length = match span.start.line() == span.end.line() {
            true => span.end.index().saturating_sub(span.start.index()),
            false => (self.source.line(line).chars().count() + 1).saturating_sub(column),
        };
        Place { line: line as u32, column: column as u32, length: length as u32 }
    }
}

fn close(frame: Frame) -> (Node, usize) {
    let value = match frame.open {
        Open::List { items } => Value::List(items),
        Open::Map { entries, .. } => Value::Map(entries),
    };
    (Node { place: frame.place, value }, frame.anchor)
}
