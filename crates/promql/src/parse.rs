//! Parsing: the text of a query becomes an expression.
//!
//! A parser by precedence, one function for each thing that can stand in a query. What is nested deeper than
//! [`NESTING`], or has more operators in a row than [`DEPTH`], is refused, so that nothing that walks an expression runs out of
//! stack.

mod duration;
mod lexer;
mod literal;
mod selector;

use evenkeel_series::MatcherError;

pub use duration::duration_ms;
use lexer::{Lexeme, Token};
pub(crate) use literal::number;

use crate::ast::{
    Aggregate, Aggregation, Arithmetic, Binary, Call, Comparison, Expr, Kind, Many, Matching,
    Operator, Set,
};
use crate::function::Function;
use crate::position::{Position, Problem};

/// How deep calls and parentheses may be nested: more than people write, less than the stack of a thread holds.
pub const NESTING: usize = 60;

/// How deep an expression may be altogether: each operator of a row `a or b or c` is one deeper than the one before.
pub const DEPTH: usize = 200;

/// The longest text that is read.
const BYTES: usize = 256 << 10;

/// Reads a query, without looking at types.
pub(crate) fn parse(text: &str) -> Result<Expr, Problem> {
    if text.len() > BYTES {
        let at = Position { start: BYTES, end: text.len() };
        return Err(problem(text, at, format!("a query of more than {BYTES} bytes"), "shorten it"));
    }
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0, nesting: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Lexeme::End => Ok(expr),
        other => {
            let what = format!("{other} after the end of the expression");
            Err(parser.wrong(&what, "put an operator between the two, or take one away"))
        }
    }
}

/// Reads a name with labels, as exporters write it: `up{job="shop"}`.
pub(crate) fn series(text: &str) -> Result<evenkeel_series::Labels, Problem> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0, nesting: 0 };
    let labels = parser.label_set()?;
    match parser.peek() {
        Lexeme::End => Ok(labels),
        other => Err(parser.wrong(&format!("{other} after the labels"), "take it away")),
    }
}

/// Reads a text in quotes.
pub(crate) fn quoted(text: &str) -> Result<String, Problem> {
    match lexer::tokens(text)?.as_slice() {
        [Token { lexeme: Lexeme::Text(text), .. }, _] => Ok(text.clone()),
        _ => Err(problem(
            text,
            Position { start: 0, end: text.len() },
            "no text in quotes",
            "put quotes around it",
        )),
    }
}

fn problem(text: &str, at: Position, what: impl Into<String>, fix: &str) -> Problem {
    let line_and_column = at.line_and_column(text);
    Problem { at, line_and_column, what: what.into(), fix: fix.to_owned() }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    nesting: usize,
}

type Parsed<T> = Result<T, Problem>;

impl<'a> Parser<'a> {
    fn token(&self, ahead: usize) -> Option<&Token<'a>> {
        self.tokens.get(self.next + ahead).or_else(|| self.tokens.last())
    }

    fn peek(&self) -> &Lexeme<'a> {
        self.token(0).map_or(&Lexeme::End, |token| &token.lexeme)
    }

    fn here(&self) -> Position {
        self.token(0).map_or(Position::default(), |token| token.at)
    }

    /// Where the last token ended.
    fn behind(&self) -> Position {
        let last = self.next.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(Position::default(), |token| token.at)
    }

    fn advance(&mut self) -> Position {
        let at = self.here();
        self.next += 1;
        at
    }

    fn wrong(&self, what: &str, fix: &str) -> Problem {
        problem(self.text, self.here(), what, fix)
    }

    fn wrong_at(&self, at: Position, what: impl Into<String>, fix: &str) -> Problem {
        problem(self.text, at, what, fix)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Lexeme::Sign(it) if *it == sign)
    }

    /// Whether the next token was this sign, which is behind then.
    fn took(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        if is {
            self.next += 1;
        }
        is
    }

    fn expect(&mut self, sign: &str, after: &str) -> Parsed<Position> {
        if self.is_sign(sign) {
            return Ok(self.advance());
        }
        let what = format!("{} where `{sign}` belongs, after {after}", self.peek());
        Err(self.wrong(&what, &format!("put `{sign}` here")))
    }

    /// Whether the next token is this word, in letters of any case.
    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Lexeme::Name(it) if it.eq_ignore_ascii_case(word))
    }

    fn took_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        if is {
            self.next += 1;
        }
        is
    }

    /// A node, if it is not nested too deep.
    fn node(&self, at: Position, kind: Kind) -> Parsed<Expr> {
        let mut expr = Expr { at, kind, depth: 0 };
        expr.depth = 1 + expr.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if expr.depth > DEPTH {
            let what = format!("an expression that is more than {DEPTH} deep");
            return Err(self.wrong_at(
                at,
                what,
                "take it apart, with a recording rule for instance",
            ));
        }
        Ok(expr)
    }

    fn too_deep(&self, at: Position) -> Problem {
        let what = format!("an expression that is nested more than {NESTING} deep");
        self.wrong_at(at, what, "take it apart, with a recording rule for instance")
    }

    /// An expression of operators that bind at least this tight.
    fn expression(&mut self, tight: u8) -> Parsed<Expr> {
        self.nesting += 1;
        if self.nesting > NESTING {
            return Err(self.too_deep(self.here()));
        }
        let mut left = self.signed()?;
        while let Some(operator) = self.operator() {
            let precedence = operator.precedence();
            if precedence < tight {
                break;
            }
            let operator_at = self.advance();
            let (as_bool, matching) = self.matching()?;
            // To the right of `^` another `^` binds first.
            let right_first = operator == Operator::Arithmetic(Arithmetic::Power);
            let right = self.expression(if right_first { precedence } else { precedence + 1 })?;
            let at = left.at.to(right.at);
            let binary = Binary { operator, operator_at, left, right, as_bool, matching };
            left = self.node(at, Kind::Binary(Box::new(binary)))?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Operator> {
        use Arithmetic as A;
        use Comparison as C;
        Some(match self.peek() {
            Lexeme::Sign(sign) => match *sign {
                "+" => Operator::Arithmetic(A::Add),
                "-" => Operator::Arithmetic(A::Subtract),
                "*" => Operator::Arithmetic(A::Multiply),
                "/" => Operator::Arithmetic(A::Divide),
                "%" => Operator::Arithmetic(A::Modulo),
                "^" => Operator::Arithmetic(A::Power),
                "==" => Operator::Comparison(C::Equal),
                "!=" => Operator::Comparison(C::NotEqual),
                "<" => Operator::Comparison(C::Less),
                "<=" => Operator::Comparison(C::LessOrEqual),
                ">" => Operator::Comparison(C::Greater),
                ">=" => Operator::Comparison(C::GreaterOrEqual),
                "</" => Operator::Trim { below: true },
                ">/" => Operator::Trim { below: false },
                _ => return None,
            },
            Lexeme::Name(name) => match &*name.to_ascii_lowercase() {
                "and" => Operator::Set(Set::And),
                "or" => Operator::Set(Set::Or),
                "unless" => Operator::Set(Set::Unless),
                "atan2" => Operator::Arithmetic(A::Atan2),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// A sign binds like `*`: `-2^2` is `-(2^2)`.
    fn signed(&mut self) -> Parsed<Expr> {
        if !self.is_sign("+") && !self.is_sign("-") {
            let primary = self.primary()?;
            return self.modified(primary);
        }
        let minus = self.is_sign("-");
        let start = self.advance();
        let of = self.expression(6)?;
        let at = start.to(of.at);
        match of.kind {
            Kind::Number(value) => self.node(at, Kind::Number(if minus { -value } else { value })),
            _ => self.node(at, Kind::Sign { minus, of: Box::new(of) }),
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let at = self.here();
        match self.peek().clone() {
            Lexeme::Number(value) | Lexeme::Duration(value) => {
                self.advance();
                self.node(at, Kind::Number(value))
            }
            Lexeme::Text(text) => {
                self.advance();
                self.node(at, Kind::Text(text))
            }
            Lexeme::Sign("(") => {
                self.advance();
                let of = self.expression(0)?;
                let end = self.expect(")", "the expression in parentheses")?;
                self.node(at.to(end), Kind::Parentheses(Box::new(of)))
            }
            Lexeme::Sign("{") => self.selector(None, at),
            Lexeme::Name(name) => self.named(name, at),
            other => {
                let what = format!("{other} where an expression belongs");
                Err(self.wrong(&what, "write a metric, a number, a function or parentheses here"))
            }
        }
    }

    /// What begins with a name: an aggregation, a call, a number, a metric.
    fn named(&mut self, name: &'a str, at: Position) -> Parsed<Expr> {
        let follows = |sign| matches!(self.token(1).map(|it| &it.lexeme), Some(Lexeme::Sign(it)) if *it == sign);
        let is_call = follows("(");
        if let Some(operation) = Aggregate::of(name) {
            let modifier = matches!(self.token(1).map(|it| &it.lexeme), Some(Lexeme::Name(it))
                if it.eq_ignore_ascii_case("by") || it.eq_ignore_ascii_case("without"));
            if is_call || modifier {
                self.advance();
                return self.aggregation(operation, at);
            }
        }
        if is_call {
            self.advance();
            return self.call(name, at);
        }
        match &*name.to_ascii_lowercase() {
            "inf" => {
                self.advance();
                self.node(at, Kind::Number(f64::INFINITY))
            }
            "nan" => {
                self.advance();
                self.node(at, Kind::Number(f64::NAN))
            }
            "bool" | "on" | "ignoring" | "group_left" | "group_right" | "atan2" => {
                let what = format!("`{name}` where an expression belongs");
                Err(self.wrong(&what, "a word of the language names no metric: write {\"…\"}"))
            }
            _ => {
                self.advance();
                self.selector(Some(name), at)
            }
        }
    }

    fn call(&mut self, name: &str, at: Position) -> Parsed<Expr> {
        let Some(function) = Function::of(name) else {
            let what = format!("no function is called `{name}`");
            return Err(self.wrong_at(at, what, "see docs/promql.md for those there are"));
        };
        let arguments = self.arguments()?;
        let at = at.to(self.behind());
        self.node(at, Kind::Call(Box::new(Call { function, arguments })))
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect("(", "the name of a function")?;
        let mut arguments = Vec::new();
        if self.took(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.took(")") {
                // Thousands of queries are kept, most with one argument.
                arguments.shrink_to_fit();
                return Ok(arguments);
            }
            self.expect(",", "an argument")?;
        }
    }

    fn aggregation(&mut self, operation: Aggregate, at: Position) -> Parsed<Expr> {
        let mut grouping = self.grouping()?;
        let mut arguments = self.arguments()?;
        let mut at = at.to(self.behind());
        if grouping.is_none() {
            grouping = self.grouping()?;
            at = at.to(self.behind());
        }
        let (without, labels) = grouping.unwrap_or_default();
        let wants = 1 + usize::from(operation.parameter().is_some());
        if arguments.len() != wants {
            let what = format!(
                "`{}` takes {wants} argument{}, and has {}",
                operation.name(),
                if wants == 1 { "" } else { "s" },
                arguments.len()
            );
            return Err(self.wrong_at(
                at,
                what,
                "add what is missing, or take away what is too much",
            ));
        }
        let parameter = (wants == 2).then(|| arguments.remove(0));
        let Some(of) = arguments.pop() else {
            return Err(self.wrong_at(at, "an aggregation of nothing", "say of what"));
        };
        let aggregation = Aggregation { operation, parameter, of, without, labels };
        self.node(at, Kind::Aggregation(Box::new(aggregation)))
    }

    /// `by (…)` or `without (…)`.
    fn grouping(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let without = self.is_word("without");
        if !without && !self.is_word("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some((without, self.labels()?)))
    }

    fn labels(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "a word that takes labels")?;
        let mut labels = Vec::new();
        while !self.took(")") {
            match self.peek().clone() {
                Lexeme::Name(name) if !name.contains(':') => labels.push(name.to_owned()),
                Lexeme::Text(name) if !name.is_empty() => labels.push(name),
                other => {
                    let what = format!("{other} where a label belongs");
                    return Err(self.wrong(&what, "write the name of a label, or `)`"));
                }
            }
            self.advance();
            if !self.is_sign(")") {
                self.expect(",", "a label")?;
            }
        }
        Ok(labels)
    }

    /// `bool on (…) group_left (…) fill (…)`.
    fn matching(&mut self) -> Parsed<(bool, Matching)> {
        let as_bool = self.took_word("bool");
        let mut matching = Matching::default();
        let on = self.is_word("on");
        if on || self.is_word("ignoring") {
            self.advance();
            matching.on = on;
            matching.labels = self.labels()?;
            let left = self.is_word("group_left");
            if left || self.is_word("group_right") {
                self.advance();
                let labels = if self.is_sign("(") { self.labels()? } else { Vec::new() };
                matching.many = Some(if left { Many::Left(labels) } else { Many::Right(labels) });
            }
        }
        loop {
            let follows = matches!(self.token(1).map(|it| &it.lexeme), Some(Lexeme::Sign("(")));
            let (left, right) = match self.peek() {
                Lexeme::Name(name) if follows => match &*name.to_ascii_lowercase() {
                    "fill" => (true, true),
                    "fill_left" => (true, false),
                    "fill_right" => (false, true),
                    _ => break,
                },
                _ => break,
            };
            self.advance();
            self.advance();
            let value = self.number()?;
            self.expect(")", "the value of `fill`")?;
            if left {
                matching.fill_left = Some(value);
            }
            if right {
                matching.fill_right = Some(value);
            }
        }
        Ok((as_bool, matching))
    }

    /// A number with a sign or without.
    fn number(&mut self) -> Parsed<f64> {
        let minus = self.is_sign("-");
        if minus || self.is_sign("+") {
            self.advance();
        }
        let value = match self.peek() {
            Lexeme::Number(value) | Lexeme::Duration(value) => *value,
            Lexeme::Name(name) if name.eq_ignore_ascii_case("inf") => f64::INFINITY,
            Lexeme::Name(name) if name.eq_ignore_ascii_case("nan") => f64::NAN,
            other => {
                let what = format!("{other} where a number belongs");
                return Err(self.wrong(&what, "write a number here"));
            }
        };
        self.advance();
        Ok(if minus { -value } else { value })
    }

    fn bad_pattern(&self, at: Position, error: &MatcherError) -> Problem {
        self.wrong_at(at, format!("the pattern of a matcher: {error}"), "mend the pattern")
    }
}

#[cfg(test)]
mod tests;
