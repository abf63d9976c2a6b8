//! Every file of the corpus of objectives: what comes of it, what is left out, and that our own reader takes it.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_import::LeftOut;
use evenkeel_import::slo::{Format, ImportError, Imported, import};
use evenkeel_model::document::{Counted, Document, Measure, RatioQuery, Slo};
use evenkeel_model::{Diagnostic, Library};

/// What our reader makes of the text. Alerts that fit badly are the other tool's, and a warning.
fn read_back(yaml: &str) -> Vec<Document> {
    let (library, found) = Library::check([("imported.yaml".to_owned(), yaml.as_bytes().to_vec())]);
    let errors: Vec<_> = found.into_iter().filter(Diagnostic::is_error).collect();
    assert!(errors.is_empty(), "{}\n{yaml}", evenkeel_model::render(&errors, false));
    library.items().iter().map(|it| it.document().clone()).collect()
}

fn left_out(list: &[LeftOut]) -> String {
    list.iter().map(|it| format!("{}: {}: {}\n", it.place, it.what, it.why)).collect()
}

fn bytes(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/slo").join(file);
    fs::read(path).expect("the corpus is there")
}

fn shown(imported: &Imported) -> String {
    let yaml = imported.to_yaml();
    assert_eq!(read_back(&yaml), imported.documents);
    let shown = format!("{yaml}\n=== left out\n{}", left_out(&imported.left_out));
    assert!(!shown.contains("s3cr3t"), "a secret was written down");
    shown
}

fn check(format: Format, file: &str) {
    let imported = import(None, file, &bytes(file)).expect("the corpus can be imported");
    assert_eq!(import(Some(format), file, &bytes(file)).as_ref(), Ok(&imported), "as {format:?}");
    insta::assert_snapshot!(format!("slo_{}", file.replace(['/', '.'], "_")), shown(&imported));
}

#[test]
fn documents_of_openslo() {
    check(Format::OpenSlo, "openslo/v1.yaml");
    check(Format::OpenSlo, "openslo/v2alpha.yaml");
}

#[test]
fn resources_of_pyrra() {
    check(Format::Pyrra, "pyrra/objectives.yaml");
}

#[test]
fn files_of_slo_generator() {
    check(Format::SloGenerator, "generator/v2.yaml");
}

#[test]
fn maps_of_objectives() {
    check(Format::Configs, "seeds/slo-configs.yaml");
}

#[test]
fn policies_about_error_budgets() {
    check(Format::Policy, "seeds/error-budget-policy.yml");
    check(Format::Policy, "seeds/policy.yaml");
}

#[test]
fn a_percentile_beside_another_objective_is_refused() {
    let error = import(None, "slo.yaml", &bytes("seeds/service-level.yaml")).unwrap_err();
    let ImportError::Wrong(found) = error else { panic!("{error}") };
    let found: Vec<_> =
        found.iter().map(|it| format!("{}:{} {}", it.line, it.column, it.message)).collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    1:1 the description promises 95% within 300ms, and the objective 99.9% within 300ms
    14:17 `percentile: 95` beside another objective promises two things
    ");
    let text = String::from_utf8(bytes("seeds/service-level.yaml")).unwrap();
    let text =
        text.replace("    percentile: 95\n", "").replace("95% of requests", "99.9% of requests");
    let imported = import(None, "slo.yaml", text.as_bytes()).unwrap();
    insta::assert_snapshot!("slo_service_level", shown(&imported));
}

#[test]
fn rules_of_prometheus_are_no_objectives() {
    for file in ["seeds/prometheus-rules.yaml", "seeds/alert-rules.yaml"] {
        assert_eq!(import(None, file, &bytes(file)).unwrap_err(), ImportError::Rules);
    }
    assert_eq!(import(None, "a", b"kind: Pod").unwrap_err(), ImportError::Unknown);
}

#[test]
fn a_file_of_which_nothing_carries_over_is_an_error_with_the_list() {
    let text = b"version: prometheus/v1\nservice: a\nslos: [{name: b, objective: 99, sli: {plugin: {id: c}}}]";
    let ImportError::Nothing(list) = import(None, "a.yaml", text).unwrap_err() else { panic!() };
    let list = left_out(&list);
    assert!(list.contains("`c`: it is a program in Go"), "{list}");
}

/// Where the examples of Sloth are; `None` when they are not here, which no build of ours may be.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn examples() -> Option<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracles/sloth/examples");
    if folder.is_dir() {
        return Some(folder);
    }
    let is_ci = std::env::var("CI").is_ok_and(|it| it == "true");
    assert!(!is_ci, "{} is missing", folder.display());
    eprintln!("skipped: {} is missing", folder.display());
    None
}

#[test]
fn every_example_of_sloth_is_read() {
    let Some(folder) = examples() else { return };
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|it| it.is_file());
    files.sort();
    assert_eq!(files.len(), 18);
    let mut all = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let imported = import(None, &name, &fs::read(&file).unwrap());
        let imported = imported.unwrap_or_else(|it| panic!("{name}: {it:?}"));
        assert_eq!(read_back(&imported.to_yaml()), imported.documents, "{name}");
        let slos = imported.documents.iter().filter_map(|it| match it {
            Document::Slo(it) => Some(line(it)),
            _ => None,
        });
        let lines = slos.chain([left_out(&imported.left_out)]).collect::<String>();
        all.push_str(&format!("== {name}\n{lines}"));
    }
    insta::assert_snapshot!("slo_sloth_examples", all);
}

/// An objective in a line.
fn line(it: &Slo) -> String {
    let query = match it.series.as_ref().expect("Sloth measures series") {
        Measure::Events(it) => match &it.counted {
            Counted::Bad(bad) => format!("bad {bad} of {}", it.total),
            Counted::Good(good) => format!("good {good} of {}", it.total),
        },
        Measure::Ratio(RatioQuery::Bad(it) | RatioQuery::Good(it)) => it.to_string(),
        other => format!("{other:?}"),
    };
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = match &it.alerting {
        None => "nobody".to_owned(),
        Some(it) => format!(
            "{:?} page {:?} ticket {:?}",
            it.name,
            it.page.as_ref().map(|it| &it.labels),
            it.ticket.as_ref().map(|it| &it.labels)
        ),
    };
    format!(
        "{} {} {:?}\n  {query}\n  {told}\n",
        it.name,
        it.objective.expect("Sloth has objectives"),
        it.labels
    )
}

#[test]
fn windows_of_sloth_are_an_alert_policy() {
    let Some(folder) = examples() else { return };
    for name in ["windows/7d.yaml", "windows/custom-30d.yaml", "../alert-windows/google-28d.yaml"] {
        let imported = import(None, name, &fs::read(folder.join(name)).unwrap()).unwrap();
        let [Document::AlertPolicy(policy)] = &imported.documents[..] else { panic!("{name}") };
        assert_eq!(policy.windows.len(), 4, "{name}");
        assert_eq!(read_back(&imported.to_yaml()), imported.documents);
    }
}

mod hostile {
    use super::{bytes, import, read_back};
    use proptest::prelude::*;

    const FILES: [&str; 8] = [
        "openslo/v1.yaml",
        "openslo/v2alpha.yaml",
        "pyrra/objectives.yaml",
        "generator/v2.yaml",
        "seeds/slo-configs.yaml",
        "seeds/policy.yaml",
        "seeds/error-budget-policy.yml",
        "seeds/service-level.yaml",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn whatever_is_changed_what_comes_of_it_is_read_back(
            file in 0usize..8, line in 0usize..120, other in 0usize..120, word in "[a-z0-9$.{}\\[\\]%:\" -]{0,12}", how in 0u8..4
        ) {
            let text = String::from_utf8(bytes(FILES[file])).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let (line, other) = (line % lines.len(), other % lines.len());
            match how {
                0 => { lines.remove(line); }
                1 => lines.swap(line, other),
                2 => lines[line] = match lines[line].split_once(": ") {
                    Some((key, _)) => format!("{key}: {word}"),
                    None => word,
                },
                _ => { let it = lines[line].clone(); lines.insert(other, it); }
            }
            if let Ok(imported) = import(None, "a.yaml", lines.join("\n").as_bytes()) {
                prop_assert_eq!(read_back(&imported.to_yaml()), imported.documents);
            }
        }
    }
}
