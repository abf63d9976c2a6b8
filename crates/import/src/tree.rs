//! YAML, written: a tree whose every text is read back as the same text.

use std::fmt::Write as _;

use evenkeel_model::yaml::{Node, Sort};

/// The longest line that is written for a list or a map.
const WIDTH: usize = 110;

/// A value to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// A number, a boolean or the like, which needs no quotes.
    Word(String),
    /// A text.
    Text(String),
    /// In order.
    List(Vec<Tree>),
    /// In order.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// A text.
    pub(crate) fn text(text: &(impl ToString + ?Sized)) -> Self {
        Self::Text(text.to_string())
    }

    /// A number, a boolean or the like.
    pub(crate) fn word(word: &impl ToString) -> Self {
        Self::Word(word.to_string())
    }

    /// A list of texts.
    pub(crate) fn texts(texts: impl IntoIterator<Item = impl ToString>) -> Self {
        Self::List(texts.into_iter().map(|it| Self::text(&it)).collect())
    }

    /// A document of it.
    pub(crate) fn document(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0),
            other => {
                out.push_str(&flow(other).unwrap_or_default());
                out.push('\n');
            }
        }
        out
    }
}

/// Writes the entries of a map, the first where the text stands, the others on lines of their own.
fn map(out: &mut String, entries: &[(String, Tree)], indent: usize) {
    for (n, (key, value)) in entries.iter().enumerate() {
        if n > 0 {
            pad(out, indent);
        }
        let key = quoted(key);
        write!(out, "{key}:").expect("a String takes everything");
        under(out, value, indent, indent + key.chars().count() + 2, key == "spec");
    }
}

/// Writes a value behind its key or its dash.
fn under(out: &mut String, value: &Tree, indent: usize, column: usize, open: bool) {
    let is_empty = match value {
        Tree::Map(entries) => entries.is_empty(),
        Tree::List(items) => items.is_empty(),
        Tree::Word(_) | Tree::Text(_) => false,
    };
    let is_open = open && !is_empty;
    if !is_open && let Some(line) = flow(value).filter(|it| column + it.chars().count() <= WIDTH) {
        writeln!(out, " {line}").expect("a String takes everything");
        return;
    }
    match value {
        Tree::Map(entries) => {
            out.push('\n');
            pad(out, indent + 2);
            map(out, entries, indent + 2);
        }
        Tree::List(items) => {
            out.push('\n');
            for item in items {
                pad(out, indent + 2);
                out.push('-');
                match item {
                    Tree::Map(entries)
                        if flow(item).is_none_or(|it| indent + 4 + it.chars().count() > WIDTH)
                            && !entries.is_empty() =>
                    {
                        out.push(' ');
                        map(out, entries, indent + 4);
                    }
                    other => under(out, other, indent + 2, indent + 4, false),
                }
            }
        }
        Tree::Text(text) => match block(text) {
            Some(header) => {
                writeln!(out, " {header}").expect("a String takes everything");
                for line in text.trim_end_matches('\n').split('\n') {
                    if !line.is_empty() {
                        pad(out, indent + 2);
                    }
                    writeln!(out, "{line}").expect("a String takes everything");
                }
            }
            None => writeln!(out, " {}", quoted(text)).expect("a String takes everything"),
        },
        Tree::Word(word) => writeln!(out, " {word}").expect("a String takes everything"),
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// On one line, unless a text in it has lines of its own, or it is nested too deeply to be read so.
fn flow(value: &Tree) -> Option<String> {
    flow_within(value, 3)
}

fn flow_within(value: &Tree, levels: u32) -> Option<String> {
    Some(match value {
        Tree::Word(word) => word.clone(),
        Tree::Text(text) if block(text).is_some() => return None,
        Tree::Text(text) => quoted(text),
        Tree::List(items) => {
            let below = levels.checked_sub(1)?;
            let items: Option<Vec<_>> = items.iter().map(|it| flow_within(it, below)).collect();
            format!("[{}]", items?.join(", "))
        }
        Tree::Map(entries) => {
            let below = levels.checked_sub(1)?;
            let entry = |(key, value): &(String, Tree)| {
                Some(format!("{}: {}", quoted(key), flow_within(value, below)?))
            };
            let entries: Option<Vec<_>> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries?.join(", "))
        }
    })
}

/// The header of a block of lines, when the text can stand in one as it is.
fn block(text: &str) -> Option<&'static str> {
    let body = text.trim_end_matches('\n');
    let header = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => return None,
    };
    let is_plain = |it: char| it == '\n' || (!it.is_control() && !is_break(it));
    let fits = body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && body.chars().all(is_plain)
        && body.split('\n').all(|it| it.trim_end() == it);
    fits.then_some(header)
}

/// What some readers take for the end of a line or for a mark of the encoding.
const fn is_break(it: char) -> bool {
    matches!(it, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A text on one line: as it is where nothing in it can be mistaken, else in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let first = |it: char| it.is_ascii_alphanumeric() || "/$_.".contains(it);
    let inner = |it: char| it.is_alphanumeric() || " _-./+*=%$@;<>()~^".contains(it);
    let is_plain = text.starts_with(first)
        && text.chars().all(inner)
        && text.trim() == text
        && Node::plain(text).sort() == Sort::Text
        && !text.starts_with("...")
        // Before a bracket it is read as the beginning of a list.
        && !text.ends_with(" -");
    if is_plain {
        return text.to_owned();
    }
    let simple = |it: char| !it.is_control() && !is_break(it) && !matches!(it, '"' | '\\');
    if text.chars().all(simple) {
        return format!("\"{text}\"");
    }
    // Without line breaks and the like, single quotes need no escapes but their own.
    if text.contains('"') && text.chars().all(|it| simple(it) || matches!(it, '"' | '\\')) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for it in text.chars() {
        match it {
            '"' | '\\' => quoted.extend(['\\', it]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            it if it.is_control() || is_break(it) => {
                write!(quoted, "\\u{:04X}", u32::from(it)).expect("a String takes everything");
            }
            it => quoted.push(it),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::decode::Findings;
    use evenkeel_model::yaml;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Node> {
        let mut found = Findings::default();
        let roots = yaml::read("-", text.as_bytes().to_vec(), &mut found).roots;
        let (_, findings, _) = found.into_parts();
        assert!(findings.is_empty(), "{findings:?}\n{text}");
        roots
    }

    fn same(tree: &Tree, node: &Node) -> bool {
        match (tree, &node.value) {
            (Tree::Word(it), _) => node.text() == Some(it) && node.sort() != Sort::Text,
            (Tree::Text(it), _) => node.text() == Some(it) && node.sort() == Sort::Text,
            (Tree::List(items), yaml::Value::List(nodes)) => {
                items.len() == nodes.len()
                    && items.iter().zip(nodes).all(|(it, node)| same(it, node))
            }
            (Tree::Map(entries), yaml::Value::Map(nodes)) => {
                let pair = |((key, value), node): (&(String, Tree), &yaml::Entry)| {
                    *key == node.key && same(value, &node.value)
                };
                entries.len() == nodes.len() && entries.iter().zip(nodes).all(pair)
            }
            _ => false,
        }
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-z${}:/# .,'\"\\-]{0,12}",
            2 => "(?s).{0,12}",
            2 => "[a-c \n\t:#|>-]{0,16}",
            1 => "(true|null|~|12|1e3|0x1F|\\.5|---|- a|\\? a|a: b|a #b|\\[|&a|\\*a|!a|%a|@a|`a|\\.inf|=|<<)",
            1 => "[a-z ]{1100,1300}",
        ]
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            texts().prop_map(Tree::Text),
            (0u32..99).prop_map(|it| Tree::word(&it)),
            any::<bool>().prop_map(|it| Tree::word(&it)),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            let key = prop_oneof!["[a-z]{1,8}", "[a-z :#{}$.\n-]{0,8}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::List),
                prop::collection::btree_map(key, inner, 0..5)
                    .prop_map(|it| Tree::Map(it.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn what_could_be_mistaken_is_quoted() {
        let cases = [
            ("GET", "GET"),
            ("p95 < 500ms", "p95 < 500ms"),
            ("200", "\"200\""),
            ("10s", "10s"),
            ("1e3", "\"1e3\""),
            ("true", "\"true\""),
            ("${var:id}", "\"${var:id}\""),
            ("{\"a\": 1}", "'{\"a\": 1}'"),
            ("a\tb", "\"a\\tb\""),
            ("- a", "\"- a\""),
            ("a -", "\"a -\""),
            ("", "\"\""),
        ];
        for (text, written) in cases {
            assert_eq!(quoted(text), written);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn every_text_is_read_back(text in texts()) {
            let tree = Tree::Map(vec![("a".to_owned(), Tree::Text(text.clone())), ("b".to_owned(), Tree::word(&1))]);
            let nodes = read(&tree.document());
            prop_assert!(nodes.len() == 1 && same(&tree, &nodes[0]), "{}", tree.document());
            let line = format!("k: [{}]\n", quoted(&text));
            let nodes = read(&line);
            prop_assert_eq!(nodes[0].at("k/0").and_then(Node::text), Some(text.as_str()));
        }

        #[test]
        fn every_tree_is_read_back(tree in trees()) {
            let tree = Tree::Map(vec![("spec".to_owned(), tree), ("end".to_owned(), Tree::word(&1))]);
            let nodes = read(&tree.document());
            prop_assert!(nodes.len() == 1 && same(&tree, &nodes[0]), "{}", tree.document());
        }
    }
}
