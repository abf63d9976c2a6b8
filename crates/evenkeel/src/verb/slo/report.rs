//! `slo report`: how objectives stand and how they got there, as one file.

use evenkeel_report::slo::file;
use evenkeel_serve::objectives::judge;
use evenkeel_serve::page::{Known, sheet};
use evenkeel_slo::attribution::By;
use serde_json::json;

use super::asked::{Asked, asked, place, unasked};
use super::causes::causes;
use super::explain::told_apart;
use super::write;
use crate::args::slo::SloReportArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Writes the page.
pub(crate) async fn run(args: SloReportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let asked = asked(&args.asked.source, screen)?;
    let causes = causes(&args.asked.went_on, &asked, screen)?;
    let Asked { library, objectives, source, at, .. } = &asked;
    let place = shown(&place(&args.asked.source)?);
    let mut sheets = Vec::new();
    for of in objectives {
        let judged = judge(source, of, *at).await.map_err(unasked)?;
        let blame = told_apart(source, of, &judged, &causes, screen).await;
        let by_label = blame.told.into_iter().filter_map(|(by, told)| match by {
            By::Label(_) | By::Component => Some((by.name().to_owned(), told)),
            // By causes it is told anew: with the pages that the alerts would have sent.
            By::Cause => None,
        });
        let known = Known::of(library, of).map_err(|it| Failure::usage(it.to_string()))?;
        let known = Known {
            causes: causes.clone(),
            by_label: by_label.collect(),
            source: place.clone(),
            ..known
        };
        sheets.push(sheet(source, of, known, judged).await.map_err(unasked)?);
    }
    let out = args.out.display().to_string();
    write(&args.out, &file(&sheets))?;
    let names: Vec<_> = objectives.iter().map(|it| &it.name).collect();
    screen
        .show(&json!({"at": at, "file": out, "objectives": names}), || format!("wrote {out}\n"))?;
    Ok(Exit::OK)
}

/// A place without the name and password that a URL may have.
fn shown(place: &str) -> String {
    match place.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, ""), |it| it);
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned()
        }
        None => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("http://me:secret@host:1/a/"), "http://host:1/a");
        assert_eq!(shown("evenkeel-metrics"), "evenkeel-metrics");
    }
}
