//! Containers: which ones, by what their engine says of them.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Containers of an engine; whatever is said of them has to fit. At least one thing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// Names, where `*` stands for anything.
    pub name: Option<String>,
    /// A label: `key`, or `key=value`.
    pub label: Option<String>,
    /// Images by the name that they were started by, where `*` stands for anything.
    pub image: Option<String>,
    /// The socket of the engine; `None`: the usual one.
    pub engine: Option<PathBuf>,
}

impl fmt::Display for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, label, image, engine: _ } = self;
        let label = label.as_ref().map(|it| format!("label {it}"));
        let image = image.as_ref().map(|it| format!("image {it}"));
        let said: Vec<String> = name.iter().cloned().chain(label).chain(image).collect();
        write!(f, "container {}", said.join(", "))
    }
}
