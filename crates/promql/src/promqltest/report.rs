//! Report: many scripts, and how many evaluations of each class gave what was expected.

use std::fmt;

use super::run::{Class, Verdict, run};
use super::script::ScriptError;

/// Scripts that are about what Prometheus asks a flag for, whichever query they use.
const ABOUT_FLAGS: [&str; 5] = [
    "duration_expression",
    "extended_vectors",
    "fill-modifier",
    "start_timestamps",
    "type_and_unit",
];

/// How scripts went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    scripts: Vec<(String, Vec<Verdict>)>,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Float, Self::Histogram, Self::Experimental];

    /// What it is, in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Float => "stable syntax on floats",
            Self::Histogram => "native histograms",
            Self::Experimental => "behind a flag of Prometheus",
        }
    }
}

impl Report {
    /// Runs a script and takes it in. The name says what it is about.
    pub fn take(&mut self, name: &str, script: &str) -> Result<(), ScriptError> {
        let mut verdicts = run(script)?;
        if ABOUT_FLAGS.contains(&name) {
            for verdict in verdicts.iter_mut().filter(|verdict| verdict.class == Class::Float) {
                verdict.class = Class::Experimental;
            }
        }
        self.scripts.push((name.to_owned(), verdicts));
        Ok(())
    }

    /// How many evaluations of a class there are, and how many of them passed.
    pub fn count(&self, class: Class) -> (usize, usize) {
        let all = self.scripts.iter().flat_map(|(_, verdicts)| verdicts);
        counted(all, class)
    }

    /// What did not go as expected, with the name of its script.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Verdict)> {
        let all =
            self.scripts.iter().flat_map(|(name, all)| all.iter().map(move |it| (&**name, it)));
        all.filter(|(_, verdict)| verdict.outcome.is_err())
    }
}

fn counted<'a>(all: impl Iterator<Item = &'a Verdict>, class: Class) -> (usize, usize) {
    let of_class = all.filter(|verdict| verdict.class == class);
    of_class.fold((0, 0), |(all, passed), verdict| {
        (all + 1, passed + usize::from(verdict.outcome.is_ok()))
    })
}

/// A table by script, and a line for each class.
impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{:<22}{:>12}{:>12}{:>12}", "script", "floats", "histograms", "flagged")?;
        for (name, verdicts) in &self.scripts {
            write!(to, "{name:<22}")?;
            for class in Class::ALL {
                let cell = match counted(verdicts.iter(), class) {
                    (0, _) => "–".to_owned(),
                    (all, passed) => format!("{passed}/{all}"),
                };
                write!(to, "{cell:>12}")?;
            }
            writeln!(to)?;
        }
        for class in Class::ALL {
            let (all, passed) = self.count(class);
            writeln!(to, "{}: {passed} passed, {} failed", class.describe(), all - passed)?;
        }
        Ok(())
    }
}
