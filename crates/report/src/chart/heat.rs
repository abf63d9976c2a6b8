//! Heat: counts on a grid, as one path for each level of colour.
//!
//! Neighbours of one level in a row become one rectangle, so a picture of ten thousand cells stays
//! small enough for a report that is one file.

use super::plot::Path;
use super::stroke::Pen;

/// Levels of colour in the style sheet.
pub(crate) const LEVELS: usize = 10;
const CLASSES: [&str; LEVELS] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"];

/// A picture of `columns`, each a list of counts from the lowest row up. `across` are the places of the
/// columns' edges in the drawing square and `edges` the heights of the rows', each one more than there
/// are columns or rows.
pub(crate) fn paths(columns: &[Vec<u64>], across: &[f64], edges: &[f64]) -> Vec<Path> {
    let most = columns.iter().flatten().copied().max().unwrap_or(0);
    let mut pens: Vec<Pen> = (0..LEVELS).map(|_| Pen::default()).collect();
    for (row, edge) in edges.windows(2).enumerate() {
        let mut column = 0;
        while column < columns.len() {
            let here = |at: usize| level(columns[at].get(row).copied().unwrap_or(0), most);
            let from = column;
            let found = here(from);
            while column < columns.len() && here(column) == found {
                column += 1;
            }
            if let Some(level) = found {
                // A hair wider and higher, so that no seams show between neighbours.
                let wide = across[column] - across[from] + 0.35;
                pens[level].rect((across[from], edge[0]), wide, edge[0] - edge[1] + 0.35);
            }
        }
    }
    let each = pens.into_iter().zip(CLASSES);
    each.map(|(pen, class)| Path::new(class, pen.done())).filter(|it| !it.data.is_empty()).collect()
}

/// Which level a count is drawn in: by its logarithm, since a handful of slow answers must show beside
/// thousands of fast ones.
fn level(count: u64, most: u64) -> Option<usize> {
    (count > 0).then(|| {
        let share = (count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
        ((share * LEVELS as f64).ceil() as usize).clamp(1, LEVELS) - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_level_become_one_rectangle() {
        let columns = [vec![5, 0], vec![5, 0], vec![0, 900]];
        let paths = paths(&columns, &[0.0, 100.0, 200.0, 300.0], &[1000.0, 500.0, 0.0]);
        let found: Vec<_> = paths.iter().map(|it| it.data.matches('M').count()).collect();
        assert_eq!(found, [1, 1]);
        assert_eq!(paths.last().map(|it| it.class), Some("h9"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(paths(&[], &[0.0], &[]).is_empty());
        assert!(paths(&[vec![0]], &[0.0, 1000.0], &[1000.0, 0.0]).is_empty());
    }
}
