//! The plan as a tree of elements: in a `hashTree`, each element is followed by the `hashTree` of its children.

use roxmltree::{Document, Node, ParsingOptions};

use crate::ImportError;

/// How many elements and properties a plan may have.
const MAX_NODES: u32 = 1_000_000;
/// How deep elements may be nested.
const MAX_DEPTH: usize = 40;

/// An element with its children.
pub(super) struct Element<'a> {
    node: Node<'a, 'a>,
    pub(super) line: u32,
    pub(super) children: Vec<Element<'a>>,
}

/// Reads XML, without what a document type could bring in.
pub(super) fn parse(text: &str) -> Result<Document<'_>, ImportError> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let problem = match &error {
            roxmltree::Error::DtdDetected => {
                "a document type (`<!DOCTYPE`) is not read; remove it".to_owned()
            }
            roxmltree::Error::NodesLimitReached => {
                format!("more than {MAX_NODES} elements; cut the plan into pieces")
            }
            other => format!("not XML: {other}"),
        };
        let line = match error {
            roxmltree::Error::DtdDetected => {
                1 + text.split("<!DOCTYPE").next().map_or(0, |it| it.matches('\n').count())
            }
            roxmltree::Error::UnclosedRootNode => text.lines().count(),
            other => other.pos().row as usize,
        };
        ImportError::Syntax { line, problem }
    })
}

/// The elements of the plan.
pub(super) fn elements<'a>(document: &'a Document<'a>) -> Result<Vec<Element<'a>>, ImportError> {
    let root = document.root_element();
    if !root.has_tag_name("jmeterTestPlan") {
        let problem = format!("it begins with `<{}>`", crate::notes::cut(root.tag_name().name()));
        return Err(ImportError::Other { expected: "test plan of JMeter", problem });
    }
    let mut all = Vec::new();
    for tree in root.children().filter(|it| it.has_tag_name("hashTree")) {
        all.extend(within(document, tree, 0)?);
    }
    Ok(all)
}

fn within<'a>(
    document: &'a Document<'a>,
    tree: Node<'a, 'a>,
    depth: usize,
) -> Result<Vec<Element<'a>>, ImportError> {
    let mut all: Vec<Element<'a>> = Vec::new();
    for node in tree.children().filter(Node::is_element) {
        let line = document.text_pos_at(node.range().start).row;
        if !node.has_tag_name("hashTree") {
            all.push(Element { node, line, children: Vec::new() });
            continue;
        }
        if depth >= MAX_DEPTH {
            let problem = format!("elements are nested more than {MAX_DEPTH} levels deep");
            return Err(ImportError::Syntax { line: line as usize, problem });
        }
        if let Some(parent) = all.last_mut() {
            parent.children = within(document, node, depth + 1)?;
        }
    }
    Ok(all)
}

impl<'a> Element<'a> {
    /// What kind of element it is.
    pub(super) fn kind(&self) -> &'a str {
        let class = self.node.attribute("testclass").unwrap_or(self.node.tag_name().name());
        class.rsplit('.').next().unwrap_or(class)
    }

    /// The name that its author gave it.
    pub(super) fn name(&self) -> &'a str {
        self.node.attribute("testname").unwrap_or_default()
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.node.attribute("enabled") != Some("false")
    }

    /// Where it stands.
    pub(super) fn place(&self) -> String {
        format!("line {}", self.line)
    }

    /// What it is, for people.
    pub(super) fn title(&self) -> String {
        match self.name() {
            "" => self.kind().to_owned(),
            name => format!("{} `{name}`", self.kind()),
        }
    }

    /// A property; empty when it is absent.
    pub(super) fn text(&self, name: &str) -> &'a str {
        text_in(self.node, name)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// The texts of a collection.
    pub(super) fn texts(&self, name: &str) -> Vec<&'a str> {
        items(self.node, name).map(|it| it.text().unwrap_or_default()).collect()
    }

    /// The texts of a collection of collections.
    pub(super) fn rows(&self, name: &str) -> Vec<Vec<&'a str>> {
        let row = |it: Node<'a, 'a>| {
            it.children().filter(Node::is_element).map(|it| it.text().unwrap_or_default()).collect()
        };
        items(self.node, name).map(row).collect()
    }

    /// The elements of a collection, each by the names of two of its properties.
    pub(super) fn pairs(
        &self,
        collection: &str,
        name: &str,
        value: &str,
    ) -> Vec<(&'a str, &'a str)> {
        items(self.node, collection).map(|it| (text_in(it, name), text_in(it, value))).collect()
    }

    /// The arguments of a request or the variables of a plan.
    pub(super) fn arguments(&self, property: Option<&str>) -> Vec<Argument<'a>> {
        let holder = match property {
            Some(name) => child(self.node, name),
            None => Some(self.node),
        };
        let read = |it: Node<'a, 'a>| Argument {
            name: text_in(it, "Argument.name"),
            value: text_in(it, "Argument.value"),
            encode: text_in(it, "HTTPArgument.always_encode") == "true",
            equals: text_in(it, "HTTPArgument.use_equals") != "false",
        };
        holder.into_iter().flat_map(|it| items(it, "Arguments.arguments")).map(read).collect()
    }

    /// A property of an element that is itself a property.
    pub(super) fn inner(&self, element: &str, name: &str) -> &'a str {
        child(self.node, element).map_or("", |it| text_in(it, name))
    }

    /// Whether a collection has anything in it, wherever it stands in the element.
    pub(super) fn has_items(&self, name: &str) -> bool {
        let found = self.node.descendants().find(|it| it.attribute("name") == Some(name));
        found.is_some_and(|it| it.children().any(|it| it.is_element()))
    }

    /// All elements below it that are enabled, as are those above them.
    pub(super) fn below(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        for child in self.children.iter().filter(|it| it.is_enabled()) {
            all.push(child);
            all.extend(child.below());
        }
        all
    }
}

/// A name with a value.
#[derive(Copy, Clone, Debug)]
pub(super) struct Argument<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
    /// Whether it is still to be encoded.
    pub(super) encode: bool,
    /// Whether `=` stands behind the name also without a value.
    pub(super) equals: bool,
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    // Numbers with a fraction have their name and their value in elements of their own.
    let named = |it: &Node<'a, 'a>| {
        it.children().any(|it| it.has_tag_name("name") && it.text() == Some(name))
    };
    node.children().find(|it| it.attribute("name") == Some(name) || named(it))
}

fn text_in<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    let property = child(node, name);
    let value = property.map(|it| it.children().find(|it| it.has_tag_name("value")).unwrap_or(it));
    value.and_then(|it| it.text()).map(str::trim_ascii).unwrap_or_default()
}

fn items<'a>(node: Node<'a, 'a>, name: &str) -> impl Iterator<Item = Node<'a, 'a>> + use<'a> {
    let found = child(node, name);
    found.into_iter().flat_map(|it| it.children().filter(Node::is_element))
}
