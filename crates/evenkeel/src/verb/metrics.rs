//! `metrics`: a metric store in this process, with the API of Prometheus.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::yaml::read_bounded;
use evenkeel_model::{Diagnostic, Library, render};
use evenkeel_serve::objectives::missed;
use evenkeel_serve::watch::Documents;
use evenkeel_serve::{Again, Brought, Events, ServeError, Server, Settings, Token, Wanted, bring};
use evenkeel_units::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use super::documents::{gather, plural, read, wrong};
use super::slo::causes;
use crate::args::metrics::{ImportArgs, ServeArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Serves until somebody asks it to end. SIGHUP has the files read again.
pub(crate) async fn serve(args: ServeArgs, screen: &Screen) -> Result<Exit, Failure> {
    let watched = |kind| {
        signal(kind).map_err(|it| Failure::could_not_run(format!("cannot watch for signals: {it}")))
    };
    let mut interrupt = watched(SignalKind::interrupt())?;
    let mut terminate = watched(SignalKind::terminate())?;
    let mut hangup = watched(SignalKind::hangup())?;
    let files = Files { config: args.config, documents: args.files };
    let (wanted, notes) = match files.read() {
        Ok(it) => it,
        Err(Unread::Wrong(all)) => return Err(wrong(&all, screen)),
        Err(Unread::Failed(failure)) => return Err(failure),
    };
    notes.iter().for_each(|it| screen.say(it));
    let token =
        args.token_file.as_deref().map(Token::from_file).transpose().map_err(|it| {
            Failure::usage(in_one_line(&it)).help("`openssl rand -hex 32` makes one")
        })?;
    // Whatever is wrong with them now is told now, and not when somebody looks at a page.
    causes::named(&args.went_on)?;
    let events = args.went_on;
    let events = Events::new(move |over| {
        causes::went_on(&events, over).map(|it| it.0).map_err(|it| it.message)
    });
    let kept = args.data.display().to_string();
    let does = done(&wanted);
    let again = Again::new(move || match files.read() {
        Ok((wanted, _)) => Ok(wanted),
        Err(Unread::Wrong(all)) => Err(render(&all, false)),
        Err(Unread::Failed(failure)) => Err(failure.message),
    });
    let settings = Settings {
        token,
        wanted,
        again: Some(again),
        events: Some(events),
        ..Settings::new(args.listen, args.data)
    };
    let server = Server::open(settings, SystemClock::start()).map_err(|it| failure(&it))?;
    let found = server.recovery();
    for (file, bytes) in &found.torn {
        let file = file.display();
        screen.say(&format!("{file}: cut by {bytes} bytes at its end, which was never whole"));
    }
    for (file, why) in &found.damaged {
        screen.say(&format!("{}: damaged and set aside: {why}", file.display()));
    }
    found.missing.iter().for_each(|it| screen.say(&missed(it)));
    if found.orphans > 0 {
        screen.say(&format!("{kept}: {} samples were of series that are lost", found.orphans));
    }
    screen.say(&format!(
        "the API of Prometheus is at http://{}; {does}, samples are kept in {kept}",
        server.address(),
    ));
    let renew = server.renewal();
    let stop = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => return,
                Some(()) = hangup.recv() => screen.say(&match renew().await {
                    Ok(()) => "the files are read again".to_owned(),
                    Err(why) => format!("everything is as it was, because of the files: {why}"),
                }),
            }
        }
    };
    let ended = server.run(stop).await;
    for it in ended.map_err(|it| Failure::could_not_run(in_one_line(&it)))? {
        let (name, why) = (it.name, if it.why.is_empty() { "the server ended" } else { &it.why });
        for (samples, became) in
            [(it.lost, "were not sent"), (it.waiting, "are sent after the next start")]
        {
            if samples > 0 {
                screen.say(&format!("remote_write to {name}: {samples} samples {became}: {why}"));
            }
        }
    }
    screen.say("everything that was taken in is on disk");
    Ok(Exit::OK)
}

/// What it does, for people.
fn done(wanted: &Wanted) -> String {
    let are = |many: usize| if many == 1 { "is" } else { "are" };
    let jobs = wanted.config.scrapes.len();
    let mut does = vec![format!("{} {} scraped", plural(jobs, "job"), are(jobs))];
    let (objectives, groups) = (wanted.documents.objectives.len(), wanted.groups.len());
    if objectives > 0 {
        does.push(format!("{} {} judged", plural(objectives, "objective"), are(objectives)));
    }
    if groups > 0 {
        does.push(format!("{} of rules {} evaluated", plural(groups, "group"), are(groups)));
    }
    does.join(", ")
}

/// The files that say what is to be done.
struct Files {
    config: Option<PathBuf>,
    documents: Vec<PathBuf>,
}

/// Why files say nothing.
enum Unread {
    Wrong(Vec<Diagnostic>),
    Failed(Failure),
}

impl From<Vec<Diagnostic>> for Unread {
    fn from(all: Vec<Diagnostic>) -> Self {
        Self::Wrong(all)
    }
}

impl Files {
    /// What they say, and what people should know of it; or everything that is wrong with them.
    fn read(&self) -> Result<(Wanted, Vec<String>), Unread> {
        let mut wrong = Vec::new();
        let mut notes = Vec::new();
        let mut wanted = Wanted::default();
        if let Some(file) = &self.config {
            match config(file, &mut notes) {
                Ok(config) => wanted.config = config,
                Err(found) => wrong.extend(found),
            }
        }
        match rules::read(&wanted.config.rule_files) {
            Ok(read) => {
                wanted.groups = read.groups;
                let unmet = read.unmet.iter().map(|it| it.display());
                notes.extend(unmet.map(|it| format!("there is no file `{it}` of rules")));
            }
            Err(found) => wrong.extend(found),
        }
        let found = match self.documents.as_slice() {
            [] => None,
            files => Some(read(gather(files).map_err(Unread::Failed)?)),
        };
        if let Some(found) = found {
            let (errors, warnings): (Vec<_>, Vec<_>) =
                found.diagnostics.into_iter().partition(Diagnostic::is_error);
            wrong.extend(errors);
            if !warnings.is_empty() {
                notes.push(render(&warnings, false));
            }
            if wrong.is_empty() {
                wanted.documents = Arc::new(judged(found.library).map_err(Unread::Failed)?);
            }
        }
        if wrong.is_empty() { Ok((wanted, notes)) } else { Err(wrong.into()) }
    }
}

/// The objectives of some documents.
fn judged(library: Library) -> Result<Documents, Failure> {
    let documents = Documents::of(library).map_err(|all| {
        let each: Vec<_> = all.iter().map(ToString::to_string).collect();
        Failure::usage(each.join("; "))
    })?;
    if documents.objectives.is_empty() {
        let help = "say in the `sli` of an SLO where it is counted, such as `availability: {bad: …, total: …}`";
        return Err(Failure::usage("no objective is counted on series").help(help));
    }
    Ok(documents)
}

/// Brings files into a store, and says how many samples of each.
pub(crate) fn import(args: &ImportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let brought = bring(&args.files, &args.data, &SystemClock::start());
    let brought = brought.map_err(|it| Failure::could_not_run(in_one_line(&it)))?;
    let rows: Vec<_> = args.files.iter().zip(brought).map(Row::of).collect();
    screen.show(&rows, || rows.iter().map(Row::line).collect())?;
    Ok(Exit::OK)
}

/// What came of a file.
#[derive(serde::Serialize)]
struct Row {
    file: String,
    samples: usize,
    refused: usize,
}

impl Row {
    fn of((file, brought): (&PathBuf, Brought)) -> Self {
        let Brought { samples, refused } = brought;
        Self { file: file.display().to_string(), samples, refused }
    }

    fn line(&self) -> String {
        let Self { file, samples, refused } = self;
        match refused {
            0 => format!("{file}: {samples} samples\n"),
            _ => format!(
                "{file}: {samples} samples; {refused} are too old, or there is another value at the same moment\n"
            ),
        }
    }
}

fn failure(error: &ServeError) -> Failure {
    let text = in_one_line(error);
    match error {
        ServeError::Open(_) => Failure::refused(text)
            .help("give `--token-file FILE`, or listen at 127.0.0.1 and reach it through `ssh -L`"),
        ServeError::Listen { .. } => {
            Failure::could_not_run(text).help("give another port: `--listen 127.0.0.1:9091`")
        }
        ServeError::Forward(_) | ServeError::Scrape(_) | ServeError::Watch(_) => {
            Failure::usage(text)
        }
        ServeError::Store(_) | ServeError::Thread(_) => Failure::could_not_run(text),
    }
}

/// What a file asks for; what of it changes nothing is noted.
fn config(file: &Path, notes: &mut Vec<String>) -> Result<Config, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let bytes = read_bounded(&name, std::fs::File::open(file)).map_err(|it| vec![it])?;
    let mut config = Config::read(&name, bytes)?;
    notes.extend(config.notes.iter().map(|note| {
        let (line, column) = (note.line, note.column);
        format!("{name}:{line}:{column}: `{}` changes nothing: {}", note.field, note.why)
    }));
    // What it names is named from where it is.
    config.rebase(file.parent().unwrap_or(Path::new("")));
    Ok(config)
}
