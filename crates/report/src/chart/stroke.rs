//! Strokes: points to path data, in a square of 1000 × 1000 that the page stretches to its box.

use std::fmt::Write as _;

/// A point of the drawing square.
pub(crate) type Point = (f64, f64);

/// Path data. Writing into a string cannot fail, so nothing here can.
#[derive(Debug, Default)]
pub(crate) struct Pen {
    data: String,
}

impl Pen {
    /// Lifts the pen and goes to a point.
    pub(crate) fn to(&mut self, (x, y): Point) -> &mut Self {
        self.put('M', &[x, y])
    }

    /// Draws a straight line to a point.
    pub(crate) fn line(&mut self, (x, y): Point) -> &mut Self {
        self.put('L', &[x, y])
    }

    /// Draws a rectangle with its lower left corner at a point.
    pub(crate) fn rect(&mut self, (x, y): Point, width: f64, height: f64) -> &mut Self {
        self.put('M', &[x, y]).put('h', &[width]).put('v', &[-height]).put('h', &[-width]).close()
    }

    /// Draws a line back to where the pen was put down.
    pub(crate) fn close(&mut self) -> &mut Self {
        self.data.push('z');
        self
    }

    /// The data.
    pub(crate) fn done(self) -> String {
        self.data
    }

    fn put(&mut self, command: char, numbers: &[f64]) -> &mut Self {
        self.data.push(command);
        for (index, number) in numbers.iter().enumerate() {
            // A tenth of a thousandth of the width is finer than any screen shows.
            let tenths = (number * 10.0).round() as i64;
            let sign = if tenths < 0 { "-" } else { "" };
            let (whole, part) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
            let space = if index > 0 && tenths >= 0 { " " } else { "" };
            let written = match part {
                0 => write!(self.data, "{space}{sign}{whole}"),
                _ => write!(self.data, "{space}{sign}{whole}.{part}"),
            };
            debug_assert!(written.is_ok(), "a string takes everything");
        }
        self
    }
}

/// Runs of neighbours that have a value: a line is broken where there is nothing to show.
fn runs<T: Copy>(points: &[Option<T>]) -> impl Iterator<Item = Vec<T>> + '_ {
    points
        .split(Option::is_none)
        .filter(|it| !it.is_empty())
        .map(|it| it.iter().flatten().copied().collect())
}

/// A line through the points. A point without neighbours becomes a dash `dash` wide.
pub(crate) fn line(points: &[Option<Point>], dash: f64) -> String {
    let mut pen = Pen::default();
    for run in runs(points) {
        if let [(x, y)] = run.as_slice() {
            pen.to((x - dash / 2.0, *y)).line((x + dash / 2.0, *y));
        }
        for (index, point) in run.iter().enumerate().filter(|_| run.len() > 1) {
            if index == 0 {
                pen.to(*point)
            } else {
                pen.line(*point)
            };
        }
    }
    pen.done()
}

/// Each point as a dot: a line of no length, which the style sheet gives round ends.
pub(crate) fn dots(points: &[Option<Point>]) -> String {
    let mut pen = Pen::default();
    for (x, y) in points.iter().flatten() {
        pen.to((*x, *y)).line((*x, *y));
    }
    pen.done()
}

/// The area between the points and the floor of the square.
pub(crate) fn area(points: &[Option<Point>]) -> String {
    let floor: Vec<_> = points.iter().map(|it| it.map(|(x, _)| (x, 1000.0))).collect();
    ribbon(points, &floor)
}

/// The area between two lines, where both have points.
pub(crate) fn ribbon(upper: &[Option<Point>], lower: &[Option<Point>]) -> String {
    let both: Vec<_> = upper.iter().zip(lower).map(|(up, low)| Some(((*up)?, (*low)?))).collect();
    let mut pen = Pen::default();
    for run in runs(&both).filter(|it| it.len() > 1) {
        for (index, (up, _)) in run.iter().enumerate() {
            if index == 0 {
                pen.to(*up)
            } else {
                pen.line(*up)
            };
        }
        for (_, low) in run.iter().rev() {
            pen.line(*low);
        }
        pen.close();
    }
    pen.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_there_is_nothing() {
        let points = [Some((0.0, 10.0)), Some((10.0, 20.25)), None, Some((30.0, 40.0))];
        assert_eq!(line(&points, 4.0), "M0 10L10 20.3M28 40L32 40");
    }

    #[test]
    fn an_area_goes_down_to_the_floor() {
        let points = [Some((0.0, 10.0)), Some((10.0, 20.0))];
        assert_eq!(area(&points), "M0 10L10 20L10 1000L0 1000z");
        assert_eq!(area(&[None, Some((1.0, 1.0))]), "");
    }

    #[test]
    fn negative_numbers_need_no_space() {
        let mut pen = Pen::default();
        pen.to((-0.5, -3.0)).rect((1.0, 2.0), 3.0, 4.0);
        assert_eq!(pen.done(), "M-0.5-3M1 2h3v-4h-3z");
    }
}
