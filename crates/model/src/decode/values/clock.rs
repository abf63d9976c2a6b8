//! How far a clock is off.

use evenkeel_units::Offset;

use super::{cut, duration_pattern, range, unit, whole};
use crate::decode::codec::{Takes, Word};

/// How far a clock is off; not at all is no offset.
pub(in crate::decode) fn offset() -> Word<Offset> {
    let parse = |text: &str| match text.parse::<Offset>() {
        Err(error) => Err(unit(&error)),
        Ok(Offset::ZERO) => Err(range(
            format!("`{}` is the true time", cut(text)),
            "Give how far the clock is off, such as `-10m` or `250ms`.",
        )),
        Ok(it) => Ok(it),
    };
    let schema = || whole(&format!(r"[-+]?\s*{}", duration_pattern()), &["-10m", "250ms"]);
    Word { expected: "an offset such as `-10m`", takes: Takes::Text, parse, schema }
}
