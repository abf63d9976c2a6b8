//! Documents in the making: maps key by key, and what every document begins with.

use evenkeel_model::decode::API_VERSION;
use evenkeel_model::document::Finder;

use crate::tree::Tree;

/// A document with its name.
pub(crate) fn document(kind: &str, name: &str, spec: Tree) -> Tree {
    Map::default()
        .with("apiVersion", Tree::text(API_VERSION))
        .with("kind", Tree::text(kind))
        .with("metadata", one("name", Tree::text(name)))
        .with("spec", spec)
        .done()
}

/// A map in the making.
#[derive(Default)]
pub(crate) struct Map(Vec<(String, Tree)>);

impl Map {
    /// Adds an entry.
    pub(crate) fn put(&mut self, key: &str, value: Tree) {
        self.0.push((key.to_owned(), value));
    }

    /// With one more entry.
    pub(crate) fn with(mut self, key: &str, value: Tree) -> Self {
        self.put(key, value);
        self
    }

    /// Adds a text that is there.
    pub(crate) fn put_text(&mut self, key: &str, text: Option<&(impl ToString + ?Sized)>) {
        if let Some(text) = text {
            self.put(key, Tree::Text(text.to_string()));
        }
    }

    /// Adds what is not the default.
    pub(crate) fn put_unless<T: PartialEq>(
        &mut self,
        key: &str,
        value: &T,
        default: &T,
        write: impl Fn(&T) -> Tree,
    ) {
        if value != default {
            self.put(key, write(value));
        }
    }

    /// Adds a list that is not empty.
    pub(crate) fn put_list<T>(&mut self, key: &str, items: &[T], write: impl Fn(&T) -> Tree) {
        if !items.is_empty() {
            self.put(key, Tree::List(items.iter().map(write).collect()));
        }
    }

    /// Adds how a process is found.
    pub(crate) fn put_finder(&mut self, finder: &Finder) {
        match finder {
            Finder::Pid(pid) => self.put("pid", Tree::word(pid)),
            Finder::Executable(name) => self.put("executable", Tree::text(name)),
            Finder::Port(port) => self.put("port", Tree::word(port)),
            Finder::CommandLine(pattern) => self.put("commandLine", Tree::text(pattern)),
            Finder::Cgroup(path) => self.put("cgroup", Tree::text(path)),
            Finder::Unit(name) => self.put("unit", Tree::text(name)),
        }
    }

    /// Whether nothing was added.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it.
    pub(crate) fn done(self) -> Tree {
        Tree::Map(self.0)
    }
}

/// A map with one key.
pub(crate) fn one(key: &str, value: Tree) -> Tree {
    Tree::Map(vec![(key.to_owned(), value)])
}
