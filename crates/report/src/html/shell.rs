//! Shell: what is around every page: its policy, its bar on top, its style and its scripts.
//!
//! The page asks the network for nothing, and its policy forbids it to, but for a page that is served and follows
//! what it shows: that one may ask where it came from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::piece;

pub(crate) const STYLE: &str = include_str!("../../assets/report.css");
const SCRIPT: &str = include_str!("../../assets/report.js");
/// Of a page that follows what it shows.
const FOLLOW: &str = include_str!("../../assets/live.js");
/// The mark: a level line through a circle.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' \
                    fill='none' stroke='%2358b7ff' stroke-width='3' stroke-linecap='round'%3E%3Ccircle \
                    cx='16' cy='16' r='10'/%3E%3Cpath d='M2 16h28'/%3E%3C/svg%3E";

/// A page with nothing but its contents to be said.
pub(crate) struct Shell<'a> {
    pub(crate) title: String,
    /// Of Evenkeel.
    pub(crate) version: &'a str,
    /// Where a keyboard gets past the top, and what that is called.
    pub(crate) skip: (&'static str, &'static str),
    /// Of a page that follows what it shows.
    pub(crate) live: Option<Live>,
    /// After the name of the product, each in an `li`.
    pub(crate) crumbs: Markup,
    pub(crate) main: Markup,
    pub(crate) footer: Markup,
}

/// A page whose script asks the server it came from for the picture after this one.
#[derive(Copy, Clone)]
pub(crate) struct Live {
    pub(crate) number: u64,
    /// How often it is loaded again where there is no script.
    pub(crate) refresh_seconds: u32,
}

impl Shell<'_> {
    /// The whole page.
    pub(crate) fn render(self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" data-number=[self.live.map(|it| it.number)] {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(self.live.is_some()));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="generator" content=(format!("Evenkeel {}", self.version));
                    @if let Some(live) = self.live {
                        noscript { meta http-equiv="refresh" content=(live.refresh_seconds); }
                    }
                    title { (self.title) }
                    link rel="icon" href=(PreEscaped(ICON));
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href=(self.skip.0) { (self.skip.1) }
                    (piece::inks())
                    (bar(&self.crumbs))
                    main { (self.main) }
                    footer { (self.footer) }
                    script { (PreEscaped(SCRIPT)) }
                    @if self.live.is_some() { script { (PreEscaped(FOLLOW)) } }
                }
            }
        };
        page.into_string()
    }
}

/// The bar above the page.
fn bar(crumbs: &Markup) -> Markup {
    html! {
        header.bar-top {
            svg.mark viewBox="0 0 32 32" aria-hidden="true" { circle cx="16" cy="16" r="10" {} path d="M2 16h28" {} }
            ol.crumbs {
                li { b { "Evenkeel" } }
                (crumbs)
            }
            // Without a script nothing could be toggled: the script shows it.
            button.theme type="button" hidden aria-label="Change between light and dark" {
                svg viewBox="0 0 16 16" aria-hidden="true" { circle cx="8" cy="8" r="6" {} path d="M8 2a6 6 0 0 1 0 12z" {} }
            }
        }
    }
}

/// What the page may do: show its own style, run its own scripts, and nothing else; while it follows what it shows,
/// ask where it came from for the next picture. Positions within charts are style attributes; older browsers
/// know no policy for these alone.
fn policy(is_live: bool) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let (scripts, connect) = match is_live {
        true => (format!("{} {}", hash(SCRIPT), hash(FOLLOW)), " connect-src 'self';"),
        false => (hash(SCRIPT), ""),
    };
    format!(
        "default-src 'none';{connect} script-src {scripts}; style-src 'unsafe-inline'; style-src-elem {}; \
         style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
    )
}
