//! `slo rules`: objectives as rules of Prometheus, each with its tests.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_slo::rules::{
    Group, Resource, compat, exact, file, proof, resource, snippet, symptom,
};
use serde_json::json;

use super::asked::{library, objectives};
use super::{unwritten, write};
use crate::args::slo::{RulesArgs, RulesForm, RulesMode};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// What the tests call the file of the rules.
const RULES: &str = "rules.yaml";

/// Writes rules.
pub(crate) fn run(args: &RulesArgs, screen: &Screen) -> Result<Exit, Failure> {
    let library = library(&args.files, screen)?;
    let mut groups: Vec<Group> = Vec::new();
    let (mut tests, mut subjects) = (BTreeMap::new(), Vec::new());
    let (mut ids, mut services) = (BTreeMap::new(), BTreeSet::new());
    for it in objectives(&library, &args.slo, screen)? {
        let mut subject = it.subject().map_err(|error| Failure::usage(error.to_string()))?;
        if let Some(other) = ids.insert(subject.id(), it.name.clone()) {
            let message =
                format!("`{other}` and `{}` are both `{}` in rules", it.name, subject.id());
            return Err(Failure::usage(message)
                .help("what names its service first is called by the rest: rename one"));
        }
        subject.interval = args.interval;
        subject.info.extend(args.info.iter().cloned());
        services.extend(it.service.clone());
        let (rules, test) = match args.mode {
            RulesMode::Compat => (compat::rules(&subject), proof::compat(&subject, RULES)),
            RulesMode::Corrected => (compat::corrected(&subject), proof::compat(&subject, RULES)),
            RulesMode::Exact => (exact::rules(&subject), proof::exact(&subject, RULES)),
        };
        groups.extend(rules);
        tests.insert(format!("{}.test.yaml", it.name), test);
        subjects.push((subject, it.inhibits));
    }
    for service in services.iter().filter(|_| args.symptoms) {
        let watches = symptom::usual(service);
        groups.push(symptom::group(service, &watches));
        tests.insert(format!("symptoms-{service}.test.yaml"), symptom::proof(&watches, RULES));
    }
    let text = match args.form {
        RulesForm::File => file(&groups),
        RulesForm::Resource => {
            let name = "evenkeel-objectives".to_owned();
            resource(&Resource { name, ..Resource::default() }, &groups)
        }
    };
    let Some(dir) = &args.with_tests else {
        screen.show(&json!({"rules": text, "tests": tests}), || text.clone())?;
        return Ok(Exit::OK);
    };
    std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, &error))?;
    // Tests are of a file of rules, whatever is shown.
    tests.insert(RULES.to_owned(), file(&groups));
    let is_exact = args.mode == RulesMode::Exact;
    let told = snippet::alertmanager(&subjects, is_exact);
    tests.insert("alertmanager.yml".to_owned(), told);
    tests.insert("prometheus.yml".to_owned(), snippet::prometheus(RULES));
    if args.form == RulesForm::Resource {
        tests.insert("resource.yaml".to_owned(), text);
    }
    let mut written = Vec::new();
    for (name, text) in &tests {
        let path = dir.join(name);
        write(&path, text)?;
        written.push(path.display().to_string());
    }
    screen.show(&json!({"written": written}), || {
        format!(
            "{}\ntest them: promtool test rules {}/*.test.yaml",
            written.join("\n"),
            dir.display()
        )
    })?;
    Ok(Exit::OK)
}
