//! `metrics`: a metric store in this process, with the API of Prometheus.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules;
use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::yaml::{MAX_BYTES, Place, Source};
use evenkeel_serve::watch::Documents;
use evenkeel_serve::{Brought, ServeError, Server, Settings, Token, bring};
use evenkeel_units::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use super::documents::{gather, plural, read, refuse_errors, wrong};
use crate::args::metrics::{ImportArgs, ServeArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Serves until somebody asks it to end.
pub(crate) async fn serve(args: ServeArgs, screen: &Screen) -> Result<Exit, Failure> {
    let watched = |kind| {
        signal(kind).map_err(|it| Failure::could_not_run(format!("cannot watch for signals: {it}")))
    };
    let mut interrupt = watched(SignalKind::interrupt())?;
    let mut terminate = watched(SignalKind::terminate())?;
    let (config, config_text) = match &args.config {
        Some(file) => config(file, screen)?,
        None => (Config::default(), String::new()),
    };
    let token =
        args.token_file.as_deref().map(Token::from_file).transpose().map_err(|it| {
            Failure::usage(in_one_line(&it)).help("`openssl rand -hex 32` makes one")
        })?;
    let rules = rules::read(&config.rule_files).map_err(|all| wrong(&all, screen))?;
    for it in &rules.unmet {
        screen.say(&format!("there is no file `{}` of rules", it.display()));
    }
    let documents = documents(&args.files, screen)?;
    let kept = args.data.display().to_string();
    let mut does = vec![scraped(config.scrapes.len())];
    if !documents.objectives.is_empty() {
        let many = plural(documents.objectives.len(), "objective");
        let are = if documents.objectives.len() == 1 { "is" } else { "are" };
        does.push(format!("{many} {are} judged"));
    }
    if !rules.groups.is_empty() {
        let are = if rules.groups.len() == 1 { "is" } else { "are" };
        does.push(format!("{} of rules {are} evaluated", plural(rules.groups.len(), "group")));
    }
    let settings = Settings {
        token,
        config,
        config_text,
        documents,
        groups: rules.groups,
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
    if found.orphans > 0 {
        screen.say(&format!("{kept}: {} samples were of series that are lost", found.orphans));
    }
    screen.say(&format!(
        "the API of Prometheus is at http://{}; {}, samples are kept in {kept}",
        server.address(),
        does.join(", "),
    ));
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let ended = server.run(stop).await;
    for it in ended.map_err(|it| Failure::could_not_run(in_one_line(&it)))? {
        let (name, samples, why) = (it.name, it.samples, it.why);
        screen.say(&format!("remote_write to {name}: {samples} samples were not sent: {why}"));
    }
    screen.say("everything that was taken in is on disk");
    Ok(Exit::OK)
}

fn scraped(jobs: usize) -> String {
    format!("{} {} scraped", plural(jobs, "job"), if jobs == 1 { "is" } else { "are" })
}

/// The objectives of some files.
fn documents(files: &[PathBuf], screen: &Screen) -> Result<Documents, Failure> {
    if files.is_empty() {
        return Ok(Documents::default());
    }
    let found = read(gather(files)?);
    refuse_errors(&found, screen)?;
    let documents = Documents::of(found.library).map_err(|all| {
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
    let brought = bring(&args.files, &args.data);
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

/// What a file asks for, and its text; what of it changes nothing is said.
fn config(file: &Path, screen: &Screen) -> Result<(Config, String), Failure> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|it| it.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let mut found = Findings::default();
        found.set_source(Source::new(&name, String::new()));
        let help = "Check that the file is there and that you may read it.";
        let problem = format!("cannot be read: {error}");
        found.report(codes::UNREADABLE, Place::default(), problem, help);
        return Err(wrong(&found.into_parts().1, screen));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut config = Config::read(&name, bytes).map_err(|all| wrong(&all, screen))?;
    for note in &config.notes {
        let (line, column) = (note.line, note.column);
        screen.say(&format!(
            "{name}:{line}:{column}: `{}` changes nothing: {}",
            note.field, note.why
        ));
    }
    // What it names is named from where it is.
    config.rebase(file.parent().unwrap_or(Path::new("")));
    Ok((config, text))
}
