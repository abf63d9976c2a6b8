//! Documents in the making, what does not carry over, and what is wrong.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use evenkeel_model::document::{
    AlertPolicy, Alerting, Alerts, Document, ErrorBudgetPolicy, Indicator, Measure, Slo,
};
use evenkeel_model::yaml::Place;

use super::openslo::Others;
use super::{ImportError, Imported};
use crate::draft::{Names, label};
use crate::ledger::Ledger;
use crate::notes::cut;

/// How long a name may be.
pub(super) const NAME_MAX: usize = 63;

/// How many documents a file may become: no more are read back.
const MOST: usize = 1_000;

/// What has been made of a file so far.
pub(super) struct Draft {
    ledger: Ledger,
    names: BTreeMap<&'static str, Names>,
    documents: Vec<Document>,
    /// Documents of OpenSLO to which others refer.
    pub(super) others: Others,
}

/// Whoever reads a part of the file says into the ledger what he finds.
impl Deref for Draft {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

impl Draft {
    /// Begins with a file.
    pub(super) fn new(name: &str) -> Self {
        let (names, documents) = (BTreeMap::new(), Vec::new());
        Self { ledger: Ledger::new(name), names, documents, others: Others::default() }
    }

    /// Adds an objective under a name of its own, and returns that.
    pub(super) fn add_slo(&mut self, place: Place, slo: Slo) -> String {
        if let Some(other) = slo.other_promise() {
            self.wrong(place, other, "These are two objectives: mend one, or write both.");
        }
        if let Some(Measure::Events(it)) = &slo.series
            && it.mixes_rates()
        {
            let message = "one side is a count of events, and the other is of events a second";
            self.wrong(place, message, "Write `rate()` on both sides, or on none.");
        }
        let name = self.name(place, "SLO", &slo.name);
        self.add(Document::Slo(Box::new(Slo { name: name.clone(), ..slo })));
        name
    }

    /// Adds windows of alerts under a name of their own, unless the same are there; returns the name.
    pub(super) fn add_alerts(&mut self, place: Place, policy: AlertPolicy) -> String {
        let same = |it: &&Document| match it {
            Document::AlertPolicy(it) => it.windows == policy.windows && it.name == policy.name,
            _ => false,
        };
        if let Some(there) = self.documents.iter().find(same) {
            return there.name().to_owned();
        }
        let name = self.name(place, "AlertPolicy", &policy.name);
        self.add(Document::AlertPolicy(AlertPolicy { name: name.clone(), ..policy }));
        name
    }

    /// Adds a policy under a name of its own.
    pub(super) fn add_policy(&mut self, place: Place, policy: ErrorBudgetPolicy) {
        let name = self.name(place, "ErrorBudgetPolicy", &policy.name);
        self.add(Document::ErrorBudgetPolicy(ErrorBudgetPolicy { name, ..policy }));
    }

    fn name(&mut self, place: Place, kind: &'static str, wanted: &str) -> String {
        // These two words mean something else where a policy is named.
        let taken = kind == "AlertPolicy" && ["none", "default"].contains(&wanted);
        let base = match taken {
            true => format!("{wanted}-windows"),
            false if is_label(wanted) => wanted.to_owned(),
            false => label(wanted),
        };
        let mut name = self.names.entry(kind).or_default().give(&base, "-");
        if !is_label(&name) {
            name = self.names.entry(kind).or_default().give(&label(wanted), "-");
        }
        if name != wanted {
            let why = format!(
                "names are up to 63 lowercase letters, digits and `-`: `{name}` is written"
            );
            self.leave_at(place, format!("the name `{}`", cut(wanted)), why);
        }
        name
    }

    fn add(&mut self, document: Document) {
        match self.documents.len() {
            MOST.. => {
                let why = "there are too many for one file: cut it into pieces";
                self.leave_at(
                    Place::default(),
                    format!("the {} `{}`", document.kind(), document.name()),
                    why,
                );
            }
            _ => self.documents.push(document),
        }
    }

    /// The name of a service as references have it.
    pub(super) fn service(&mut self, place: Place, name: &str) -> String {
        let service = if is_label(name) { name.to_owned() } else { label(name) };
        if service != name {
            let why = format!(
                "names are up to 63 lowercase letters, digits and `-`: `{service}` is written"
            );
            self.leave_at(place, format!("the service `{}`", cut(name)), why);
        }
        service
    }

    /// What came of it all; `is_known` when it was of some tool.
    pub(super) fn finish(mut self, is_known: bool) -> Result<Imported, ImportError> {
        let findings = self.findings();
        if !findings.is_empty() {
            return Err(ImportError::Wrong(findings));
        }
        if !is_known {
            return Err(ImportError::Unknown);
        }
        let Self { ledger, documents, .. } = self;
        let left_out = ledger.left_out();
        match documents.is_empty() {
            true => Err(ImportError::Nothing(left_out)),
            false => Ok(Imported { documents, left_out }),
        }
    }
}

/// Whether it is a name as references have it.
fn is_label(text: &str) -> bool {
    let inner = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let ends = text.starts_with(inner) && text.ends_with(inner);
    ends && text.len() <= NAME_MAX && text.chars().all(|it| inner(it) || it == '-')
}

/// An objective on series alone, of which nobody is told yet.
pub(super) fn on_series(name: &str, measure: Measure) -> Slo {
    Slo { series: Some(measure), ..Slo::of(name, Indicator::OfSeries, None) }
}

/// Alerts by windows that are a document of their own.
pub(super) fn alerts_by(name: &str) -> Alerting {
    Alerting { policy: Alerts::Named(name.to_owned()), ..Alerting::default() }
}
