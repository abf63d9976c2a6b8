//! Rows: labels above a chart, in as many rows as it takes for none to collide.
//!
//! Nobody here can measure text, so widths are estimated, generously. Labels are taken from left to
//! right; each goes into the first row with room. One that would stick out on the right is set flush
//! with the edge.

/// Where a label went.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its row; 0 is the upper one.
    pub(crate) row: usize,
    /// Whether it is flush with the right edge rather than starting at its point.
    pub(crate) flush: bool,
}

/// Space between two labels of a row, as a share of the width.
const GAP: f64 = 0.006;

/// Finds a place for each label, given where it starts and how wide it is, as shares of the width.
/// Places come in the order of the labels.
pub(crate) fn rows(labels: &[(f64, f64)]) -> Vec<Place> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| start(labels[*a]).total_cmp(&start(labels[*b])));
    let mut ends: Vec<f64> = Vec::new();
    let mut places = vec![Place { row: 0, flush: false }; labels.len()];
    for index in order {
        let (from, width) = (start(labels[index]), labels[index].1.min(1.0));
        let row = ends.iter().position(|end| end + GAP <= from).unwrap_or(ends.len());
        match ends.get_mut(row) {
            Some(end) => *end = from + width,
            None => ends.push(from + width),
        }
        places[index] = Place { row, flush: labels[index].0 + width > 1.0 };
    }
    places
}

/// How many rows places take.
pub(crate) fn height(places: &[Place]) -> usize {
    places.iter().map(|it| it.row + 1).max().unwrap_or(0)
}

/// Where a label starts once it has been moved inside.
fn start((from, width): (f64, f64)) -> f64 {
    from.min(1.0 - width.min(1.0)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_share_a_row_when_there_is_room() {
        let places = rows(&[(0.0, 0.1), (0.2, 0.1), (0.25, 0.1), (0.95, 0.2)]);
        let found: Vec<_> = places.iter().map(|it| (it.row, it.flush)).collect();
        assert_eq!(found, [(0, false), (0, false), (1, false), (0, true)]);
    }

    proptest! {
        #[test]
        fn no_two_labels_of_a_row_overlap(
            labels in prop::collection::vec((0.0..1.0f64, 0.01..1.2f64), 0..24),
        ) {
            let places = rows(&labels);
            for (a, place) in places.iter().enumerate() {
                for b in (a + 1..places.len()).filter(|b| places[*b].row == place.row) {
                    let (left, right) = (start(labels[a]), start(labels[b]));
                    let first = if left <= right { a } else { b };
                    prop_assert!(left.min(right) + labels[first].1.min(1.0) <= left.max(right));
                }
            }
        }
    }
}
