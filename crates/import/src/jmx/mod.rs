//! Test plans of JMeter: each thread group becomes a load test with one scenario.
//!
//! ```text
//! plan      XML → elements with their children and properties
//! words     `${name}` and `${__function(…)}` → templates
//! data      variables, and files of data → feeders
//! group     threads, ramp, loops, timers of throughput → the shape
//! schedule  the schedule of an open model → the shape
//! steps     controllers → steps
//! sampler   a sampler of HTTP, its defaults and headers → a request
//! check     assertions → checks and criteria
//! extract   extractors → what later steps want
//! ```
//!
//! Elements hold for the samplers beside and below them, as in JMeter. Deliberately absent: scripts
//! (BeanShell, Groovy, JavaScript), and anything that would have to be run to be known.

use evenkeel_model::document::LoadTest;

use self::group::{Group, Scope};
use self::plan::Element;
use self::words::Words;
use crate::draft::{self, Draft, Names};
use crate::notes::Notes;
use crate::secrets::Secrets;
use crate::{ImportError, Imported};

mod check;
mod data;
mod extract;
mod group;
mod plan;
mod sampler;
mod schedule;
mod steps;
mod words;

pub(crate) fn import(name: &str, text: &str) -> Result<Imported, ImportError> {
    let document = plan::parse(text)?;
    let roots = plan::elements(&document)?;
    let mut notes = Notes::default();
    unused(&roots, &mut notes);
    let plan = roots.iter().find(|it| it.kind() == "TestPlan" && it.is_enabled());
    let Some(plan) = plan else {
        let reason = "there is no test plan that is enabled".to_owned();
        return Err(ImportError::Nothing { reason, left_out: notes.finish() });
    };
    let mut tests = Vec::new();
    let mut names = Names::default();
    let mut secrets = Secrets::default();
    for element in plan.children.iter().filter(|it| it.is_enabled()) {
        let why = match element.kind() {
            "ThreadGroup" | "OpenModelThreadGroup" => {
                let own = group_name(name, plan, element);
                let made = load_test(&own, plan, element, &mut secrets, &mut notes);
                tests.extend(
                    made.map(|test| LoadTest { name: names.give(&test.name, "-"), ..test }),
                );
                continue;
            }
            "SetupThreadGroup" => {
                "what is done once before the load is not part of it; run it by hand"
            }
            "PostThreadGroup" => {
                "what is done once after the load is not part of it; run it by hand"
            }
            kind if kind.ends_with("ThreadGroup") => {
                "this kind of group has no counterpart; use a `ThreadGroup`"
            }
            _ => continue,
        };
        notes.add(element.place(), element.title(), why);
    }
    if tests.is_empty() {
        let reason = "no thread group that is enabled has a request of HTTP".to_owned();
        return Err(ImportError::Nothing { reason, left_out: notes.finish() });
    }
    if tests.len() > 1 {
        let why = "each is a load test of its own; run them side by side";
        notes.add(plan.place(), format!("that {} thread groups belong together", tests.len()), why);
    }
    Ok(Imported { tests, left_out: notes.finish() })
}

/// A group is called by its name, unless it still has the one that JMeter gave it.
fn group_name(file: &str, plan: &Element<'_>, group: &Element<'_>) -> String {
    let usual = |name: &str| {
        name.is_empty() || name.starts_with("Thread Group") || name.starts_with("Test Plan")
    };
    let named = [group.name(), plan.name()].into_iter().find(|it| !usual(it));
    draft::label(named.unwrap_or(file))
}

fn load_test<'a>(
    name: &str,
    plan: &'a Element<'a>,
    element: &'a Element<'a>,
    secrets: &'a mut Secrets,
    notes: &'a mut Notes,
) -> Option<LoadTest> {
    let mut words = Words::default();
    let mut draft = Draft::new(name);
    // What holds for the plan stands beside its groups.
    let beside = |it: &&Element<'a>| it.is_enabled() && !it.kind().ends_with("ThreadGroup");
    let mut all: Vec<&Element<'a>> = Vec::new();
    for it in plan.children.iter().filter(beside) {
        all.push(it);
        all.extend(it.below());
    }
    all.extend(element.below());
    data::variables(plan, &all, &mut words, notes);
    draft.test.feeders = data::feeders(&all, &mut words, notes);
    draft.test.description =
        Some(plan.text("TestPlan.comments")).filter(|it| !it.is_empty()).map(str::to_owned);
    let cookies = all.iter().any(|it| it.kind() == "CookieManager");
    let beside: Scope<'a, 'a> = Scope::default().with(&plan.children);
    let group = Group { draft, words, notes, secrets, server: None, timeout: None };
    group.build(element, &beside, cookies)
}

/// Whether an element of this kind is looked at where it holds, and noted there when it does not carry over.
fn is_read(kind: &str) -> bool {
    let others = [
        "TestPlan",
        "TestAction",
        "Arguments",
        "ConfigTestElement",
        "CookieManager",
        "CounterConfig",
        "CSVDataSet",
        "HeaderManager",
        "HTTPSamplerProxy",
        "HTTPSampler2",
        "RandomVariableConfig",
        "UserParameters",
    ];
    let ends = ["ThreadGroup", "Sampler", "Request", "Timer", "Assertion"];
    others.contains(&kind)
        || extract::KINDS.contains(&kind)
        || steps::is_controller(kind)
        || ends.iter().any(|it| kind.ends_with(it))
}

/// Elements that are neither steps nor about them, with the reason why they are left out.
fn unused(elements: &[Element<'_>], notes: &mut Notes) {
    for element in elements {
        let kind = element.kind();
        if kind == "WorkBench" {
            continue;
        }
        if !element.is_enabled() {
            notes.add(
                element.place(),
                element.title(),
                "it is disabled, and so is what stands in it",
            );
            continue;
        }
        let why = match kind {
            "CookieManager" if element.has_items("CookieManager.cookies") => {
                "cookies are those that the service sets; write a header `cookie` for others"
            }
            "AuthManager" => {
                "write a header such as `authorization: \"Basic ${env:BASIC_CREDENTIALS}\"`"
            }
            "CacheManager" => "users have no cache: every request is sent",
            "DNSCacheManager" => "names are looked up in the system",
            "KeystoreConfig" => "set `tls`",
            "ResultCollector"
            | "ResultSaver"
            | "MailerResultCollector"
            | "Summariser"
            | "BackendListener"
            | "DebugPostProcessor" => "the report shows what came back",
            "ProxyControl" | "MirrorServer" => {
                "it is about the making of the plan, not of the load"
            }
            "JSR223PreProcessor"
            | "JSR223PostProcessor"
            | "BeanShellPreProcessor"
            | "BSFPreProcessor"
            | "JSR223Listener"
            | "BeanShellListener"
            | "BSFListener"
            | "BeanShellPostProcessor"
            | "BSFPostProcessor"
            | "JSR223Timer"
            | "BeanShellTimer" => "scripts are not run",
            "ConfigTestElement" if !group::is_http_defaults(element) => {
                "only defaults of HTTP requests carry over"
            }
            kind if is_read(kind) => "",
            _ => "this element has no counterpart",
        };
        if !why.is_empty() {
            notes.add(element.place(), element.title(), why);
        }
        unused(&element.children, notes);
    }
}
