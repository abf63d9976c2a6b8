//! Format: what a report can be written as. A new format is one file and one line in each list here.

use std::fmt;
use std::str::FromStr;

use evenkeel_model::Outcome;

use crate::{html, json, junit, markdown, text};

/// What a report is written as.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal, without colour.
    Text,
    /// One page in one file.
    Html,
    /// For programs.
    Json,
    /// For build servers.
    Junit,
    /// For summaries and comments.
    Markdown,
}

/// There is no format of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat {
    /// As asked for.
    pub name: String,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Text, Self::Html, Self::Json, Self::Junit, Self::Markdown];

    /// By which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }

    /// Name of the file in the folder of a run.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Text => "report.txt",
            Self::Html => "report.html",
            Self::Json => "report.json",
            Self::Junit => "junit.xml",
            Self::Markdown => "report.md",
        }
    }
}

/// Writes an outcome in a format.
pub fn render(outcome: &Outcome, format: Format) -> String {
    match format {
        Format::Text => text::summary(outcome, &[], "", text::WIDTH, false),
        Format::Html => html::render(outcome),
        Format::Json => json::render(outcome),
        Format::Junit => junit::render(outcome),
        Format::Markdown => markdown::render(outcome),
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = Format::ALL.iter().map(|it| it.name()).collect();
        write!(f, "`{}` is not a format: use {}", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownFormat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        let error = "pdf".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`pdf` is not a format: use text, html, json, junit, markdown"
        );
    }
}
