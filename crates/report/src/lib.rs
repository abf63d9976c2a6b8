//! Reports: an outcome in the form that a person or a program wants to read it in.
//!
//! ```text
//! format    the formats, and the one list of them
//! text      the end of a run on a terminal; two runs side by side
//! html      one file that opens anywhere: verdict, charts, checks, and everything behind them
//! slo       how an objective stands and how it got there, as a page; all objectives beside each other
//! json      for programs, with a published schema
//! junit     for build servers
//! markdown  for the summary of a build or a comment
//! gameday   the record of a day on which people watched an experiment together
//! comparison  two runs, figure by figure
//! bearing   what a load test found out, in sentences
//! csv       the seconds of a load, for spreadsheets
//! hdr       the seconds of a load, for the tools of HdrHistogram
//! live      what is shown while a run is under way
//! chart     the chart kit behind the HTML
//! steps     seconds put together into as many steps as a chart can show
//! figure    how figures are written
//! mark      marks and words for how something ended
//! reaction  what became of a fault: whether it acted, and how the service took it
//! ```
//!
//! What was judged in, text out, and the same text every time. Deliberately absent: files, terminals, clocks,
//! the network, and any judgement: what a report says has been decided before.

mod bearing;
mod chart;
pub mod comparison;
pub mod csv;
mod figure;
pub mod format;
pub mod gameday;
pub mod hdr;
pub mod html;
pub mod json;
pub mod junit;
pub mod live;
mod mark;
pub mod markdown;
mod reaction;
pub mod slo;
mod steps;
pub mod text;

pub use format::{Format, UnknownFormat, render};
