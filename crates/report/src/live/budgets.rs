//! Budgets: how objectives stand at a moment, drawn into the cells of a terminal.
//!
//! ```text
//! available       EXHAUSTED   97.280 % of 98%                       -35.98 % left
//!   budget        ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
//!   page 1h       ███████████████████████████│█████     firing   20.58 of 14.4, short 30.10
//! ```
//!
//! What is left of a budget is a level. A burn rate is a bar, whose mark is the factor at which its alert holds.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::lines::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW, piece};
use crate::figure;

/// Columns of the names in front.
const NAME: usize = 24;
/// Columns behind a bar.
const BEHIND: usize = 38;
/// How watching is ended, for those who wonder.
const KEYS: &str = "q stops";

/// Objectives at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BudgetsView {
    /// The moment, for people.
    pub at: String,
    /// Why what is shown is not of the moment, if it is not.
    pub trouble: Option<String>,
    /// The objectives.
    pub objectives: Vec<BudgetView>,
}

/// An objective.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BudgetView {
    /// Its name.
    pub name: String,
    /// How it stands, in a word.
    pub status: String,
    /// How bad that is.
    pub tone: Tone,
    /// What was reached and what was promised, for people.
    pub reached: String,
    /// The share of the budget that is left; below 0 when it is overspent; `None` without data.
    pub left: Option<f64>,
    /// When the budget is spent, for people; empty when it is not.
    pub spent: String,
    /// Its alerts.
    pub burns: Vec<BurnView>,
}

/// An alert and its windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BurnView {
    /// Its name.
    pub name: String,
    /// The burn rate over the long window; `None` without data.
    pub long: Option<f64>,
    /// The burn rate over the short window; `None` without data, or without such a window.
    pub short: Option<f64>,
    /// The burn rate at which it holds.
    pub factor: f64,
    /// What it does, in a word.
    pub state: String,
    /// How bad that is.
    pub tone: Tone,
}

/// How bad something is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Not at all.
    Good,
    /// Somewhat.
    Doubtful,
    /// It is bad.
    Bad,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Unknown => DIM,
            Self::Good => GREEN,
            Self::Doubtful => YELLOW,
            Self::Bad => RED,
        }
    }
}

/// Draws objectives; without colours no cell has a style.
pub fn draw_budgets(view: &BudgetsView, area: Rect, buffer: &mut Buffer, color: bool) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = vec![head(view, width)];
    lines.extend(view.trouble.iter().map(|it| Line::from(vec![piece(YELLOW, it)])));
    let mut left = view.objectives.len();
    for it in &view.objectives {
        let block = objective(it, width);
        // One row is for saying how many there is no room for.
        let needed = block.len() + 1 + usize::from(left > 1);
        if lines.len() + needed > height {
            break;
        }
        lines.push(Line::default());
        lines.extend(block);
        left -= 1;
    }
    if left > 0 {
        lines.push(Line::from(vec![piece(DIM, format!("and {left} more"))]));
    }
    for (line, y) in lines.iter().zip(area.y..area.y.saturating_add(area.height)) {
        buffer.set_line(area.x, y, line, area.width);
    }
    if !color {
        for cell in &mut buffer.content {
            cell.set_style(Style::reset());
        }
    }
}

/// Objectives at a moment, a line each.
pub fn budget_lines(view: &BudgetsView) -> Vec<String> {
    let line = |it: &BudgetView| {
        let mut parts =
            vec![view.at.clone(), it.name.clone(), it.status.clone(), it.reached.clone()];
        parts.push(left(it.left));
        let loud = it.burns.iter().filter(|it| matches!(it.tone, Tone::Bad | Tone::Doubtful));
        parts.extend(loud.map(|it| format!("{} {}", it.name, it.state)));
        figure::plain(&parts.join(" · "))
    };
    let trouble = view.trouble.iter().map(|it| figure::plain(&format!("{} · {it}", view.at)));
    trouble.chain(view.objectives.iter().map(line)).collect()
}

fn head(view: &BudgetsView, width: usize) -> Line<'static> {
    let title = format!("objectives at {}", view.at);
    let gap = width.saturating_sub(figure::columns(&title) + figure::columns(KEYS));
    Line::from(vec![piece(BOLD, title), piece(PLAIN, " ".repeat(gap)), piece(DIM, KEYS)])
}

fn left(of: Option<f64>) -> String {
    of.map_or_else(|| "no data".to_owned(), |it| format!("{:.2} % left", it * 100.0))
}

fn objective(of: &BudgetView, width: usize) -> Vec<Line<'static>> {
    let name = padded(&of.name, NAME);
    let mut all = vec![Line::from(vec![
        piece(BOLD, name),
        piece(of.tone.style(), format!("{:11}", of.status)),
        piece(PLAIN, &of.reached),
        piece(DIM, if of.spent.is_empty() { String::new() } else { format!("  {}", of.spent) }),
    ])];
    let cells = width.saturating_sub(NAME + BEHIND).min(60);
    let share = of.left.unwrap_or_default().clamp(0.0, 1.0);
    all.push(Line::from(vec![
        piece(DIM, padded("  budget", NAME)),
        piece(of.tone.style(), level(share, cells)),
        piece(PLAIN, format!("  {}", left(of.left))),
    ]));
    all.extend(of.burns.iter().map(|it| burn(it, cells)));
    all
}

/// A bar up to twice the factor, with a mark at the factor.
fn burn(of: &BurnView, cells: usize) -> Line<'static> {
    let scale = |it: Option<f64>| {
        let share =
            it.filter(|it| it.is_finite()).unwrap_or_default() / (2.0 * of.factor.max(1e-9));
        share.clamp(0.0, 1.0)
    };
    let mut bar: Vec<char> = level(scale(of.long), cells).chars().collect();
    if let Some(mark) = bar.get_mut(cells / 2) {
        *mark = '│';
    }
    let rate =
        |it: Option<f64>| it.map_or_else(|| figure::NONE.to_owned(), |it| format!("{it:.2}"));
    let short = of.short.map(|it| format!(", short {it:.2}")).unwrap_or_default();
    let said = format!("{} of {}{short}", rate(of.long), figure::decimal(of.factor));
    Line::from(vec![
        piece(DIM, padded(&format!("  {}", of.name), NAME)),
        piece(of.tone.style(), bar.into_iter().collect::<String>()),
        piece(of.tone.style(), format!("  {:10}", of.state)),
        piece(PLAIN, said),
    ])
}

/// So many of the cells as a share is of one; anything at all is one cell at least.
fn level(share: f64, cells: usize) -> String {
    let whole = (share * cells as f64).round() as usize;
    let full = if share > 0.0 { whole.clamp(usize::from(cells > 0), cells) } else { 0 };
    "█".repeat(full) + &"░".repeat(cells - full)
}

fn padded(text: &str, columns: usize) -> String {
    let text = figure::cut(text, columns - 1);
    let gap = columns.saturating_sub(figure::columns(&text));
    text + &" ".repeat(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> BudgetsView {
        let burn = |name: &str, long, state: &str, tone| BurnView {
            name: name.to_owned(),
            long,
            short: Some(16.5),
            factor: 14.4,
            state: state.to_owned(),
            tone,
        };
        let objective = BudgetView {
            name: "available".to_owned(),
            status: "CRITICAL".to_owned(),
            tone: Tone::Bad,
            reached: "98.500 % of 98%".to_owned(),
            left: Some(0.25),
            spent: "spent in 2h".to_owned(),
            burns: vec![
                burn("page 1h", Some(14.4), "firing", Tone::Bad),
                burn("ticket 3d", None, "unknown", Tone::Unknown),
            ],
        };
        let other = BudgetView { name: "search\u{1b}[2J".to_owned(), ..BudgetView::default() };
        BudgetsView { at: "12:00".to_owned(), trouble: None, objectives: vec![objective, other] }
    }

    fn drawn(view: &BudgetsView, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        draw_budgets(view, area, &mut buffer, false);
        let row = |y| {
            let cells = (0..width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_budget_is_a_level_and_a_burn_rate_a_bar_with_its_factor() {
        let expected = "\
objectives at 12:00                                                      q stops

available               CRITICAL   98.500 % of 98%  spent in 2h
  budget                █████░░░░░░░░░░░░░  25.00 % left
  page 1h               █████████│░░░░░░░░  firing    14.40 of 14.4, short 16.50
  ticket 3d             ░░░░░░░░░│░░░░░░░░  unknown   – of 14.4, short 16.50

search [2J
  budget                ░░░░░░░░░░░░░░░░░░  no data";
        let expected: Vec<_> = expected.lines().map(str::trim_end).collect();
        assert_eq!(drawn(&view(), 80, 9), expected.join("\n"));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let text = drawn(&view(), 80, 7);
        assert!(text.ends_with("and 1 more") && text.contains("page 1h"), "{text}");
        assert!(drawn(&view(), 80, 3).contains("and 2 more"));
    }

    #[test]
    fn no_terminal_is_too_small() {
        for (width, height) in [(1, 1), (10, 2), (54, 9), (300, 1)] {
            drawn(&view(), width, height);
        }
    }

    #[test]
    fn without_a_terminal_each_is_a_line() {
        let lines = budget_lines(&view());
        assert_eq!(
            lines[0],
            "12:00 · available · CRITICAL · 98.500 % of 98% · 25.00 % left · page 1h firing"
        );
        assert!(!lines[1].contains('\u{1b}'), "{}", lines[1]);
        let silent =
            BudgetsView { trouble: Some("nobody answers".to_owned()), ..BudgetsView::default() };
        assert_eq!(budget_lines(&silent), [" · nobody answers"]);
    }
}
