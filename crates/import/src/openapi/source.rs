//! YAML or JSON → a tree in the order of the file, and `$ref` within it.

use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{self, Node, Value};

use crate::{ImportError, json};

/// How many references are followed from one to the next.
const MAX_HOPS: usize = 16;

/// A description.
pub(super) struct Source {
    pub(super) root: Node,
}

impl Source {
    pub(super) fn read(name: &str, text: &str) -> Result<Self, ImportError> {
        if text.len() > yaml::MAX_BYTES {
            return Err(ImportError::TooLarge(yaml::MAX_BYTES));
        }
        if text.trim_start().starts_with('{') {
            // JSON has escapes that YAML does not know.
            if let Ok(root) = json::read(text) {
                return Ok(Self { root });
            }
        }
        let mut found = Findings::default();
        let mut roots = yaml::read(name, text.as_bytes().to_vec(), &mut found).roots;
        let (_, findings, _) = found.into_parts();
        if let Some(first) = findings.into_iter().next() {
            let problem = format!("{}: {}", first.message, first.help);
            return Err(ImportError::Syntax { line: first.line as usize, problem });
        }
        match roots.len() {
            0 => Err(ImportError::Other {
                expected: super::EXPECTED,
                problem: "there is nothing in it".to_owned(),
            }),
            _ => Ok(Self { root: roots.swap_remove(0) }),
        }
    }

    /// What a node stands for: itself, or what its `$ref` names within the file.
    pub(super) fn resolve<'a>(&'a self, node: &'a Node) -> &'a Node {
        let mut at = node;
        for _ in 0..MAX_HOPS {
            let Some(next) =
                at.entry("$ref").and_then(|it| it.value.text()).and_then(|it| self.find(it))
            else {
                break;
            };
            at = next;
        }
        at
    }

    /// The node that `#/components/schemas/Pet` names.
    fn find(&self, reference: &str) -> Option<&Node> {
        let path = reference.strip_prefix("#/")?;
        path.split('/').try_fold(&self.root, |node, step| {
            let step =
                step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}");
            match &node.value {
                Value::List(items) => items.get(step.parse::<usize>().ok()?),
                _ => node.entry(&step).map(|it| &it.value),
            }
        })
    }
}
