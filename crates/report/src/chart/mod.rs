//! The chart kit: pictures from figures, as SVG and HTML, drawn before any browser sees them.
//!
//! ```text
//! scale   figures → shares of an axis; where its ticks go
//! stroke  points → path data, in a square of 1000 × 1000
//! rows    labels above a chart, in as many rows as it takes for none to collide
//! plot    the frame: grid, bands, rules, paths, labels, and the readout under the pointer
//! heat    counts → one path for each level of colour
//! spark   the small line in a card
//! ```
//!
//! Geometry lies in an SVG that is stretched to its box, with strokes that do not scale; all text is
//! HTML, placed in percent. So a chart is crisp at any width, takes its colours from the style sheet,
//! prints, and needs no script. Deliberately absent: knowledge of drills.

pub(crate) mod heat;
pub(crate) mod plot;
pub(crate) mod rows;
pub(crate) mod scale;
pub(crate) mod spark;
pub(crate) mod stroke;

pub(crate) use self::plot::{Band, Mark, Path, Plot, Readout, Rule, Series, Tag, TagKind, Tick};
pub(crate) use self::scale::Scale;
