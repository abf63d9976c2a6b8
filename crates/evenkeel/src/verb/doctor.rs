//! `doctor`: what can be broken on this host, what cannot, and how to get what is missing.

use evenkeel_fault::host::{HostFacts, Means, look, means};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Looks at the host and says it. What is missing is no error: most need only some of it.
pub(crate) fn run(screen: &Screen) -> Result<Exit, Failure> {
    let host = look();
    let all = means(&host);
    let value = json!({"host": host, "means": all.iter().map(json).collect::<Vec<_>>()});
    screen.show(&value, || {
        let means = all.iter().map(lines).collect::<Vec<_>>().join("\n");
        format!("{}\n\n{means}", head(&host))
    })?;
    Ok(Exit::OK)
}

fn json(it: &Means) -> Value {
    let missing: Vec<_> =
        it.missing.iter().map(|it| json!({"what": it.what, "help": it.help})).collect();
    json!({
        "name": it.name,
        "does": it.does,
        "faults": it.faults,
        "works": it.works(),
        "missing": missing,
    })
}

fn head(host: &HostFacts) -> String {
    let list = |it: Vec<&str>| if it.is_empty() { "none".to_owned() } else { it.join(", ") };
    let capabilities = list(host.capabilities.iter().map(String::as_str).collect());
    let programs = list(host.programs.keys().map(String::as_str).collect());
    format!("Linux {}\ncapabilities: {capabilities}\nprograms: {programs}", host.kernel)
}

fn lines(it: &Means) -> String {
    let state = if it.works() { "works" } else { "missing" };
    let faults = match it.faults {
        [] => "no fault uses it yet".to_owned(),
        faults => faults.join(", "),
    };
    let mut lines = vec![format!("{state:9}{:12}{} ({faults})", it.name, it.does)];
    lines.extend(it.missing.iter().map(|it| format!("{:21}needs {}: {}", "", it.what, it.help)));
    lines.join("\n")
}
