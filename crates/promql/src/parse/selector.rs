//! Selectors: `up{job="shop"}`, and what may stand after an expression: `[5m]`, `offset`, `@`, edges.

use evenkeel_series::{Label, Labels, METRIC_NAME, Matcher, Operation};

use super::lexer::Lexeme;
use super::{Parsed, Parser};
use crate::ast::{At, Edges, Expr, Kind, Range, Selector, Subquery, When};
use crate::position::Position;

impl Parser<'_> {
    /// A selector whose name is behind.
    pub(super) fn selector(&mut self, name: Option<&str>, at: Position) -> Parsed<Expr> {
        let mut matchers = if self.is_sign("{") { self.matchers()? } else { Vec::new() };
        let name = name.map(str::to_owned);
        if let Some(name) = &name {
            let matcher = Matcher::new(METRIC_NAME, Operation::Equal, name);
            matchers.push(matcher.map_err(|error| self.bad_pattern(at, &error))?);
        }
        matchers.shrink_to_fit();
        let selector = Selector { name, matchers, when: When::default(), edges: Edges::default() };
        let at = at.to(self.behind());
        self.node(at, Kind::Selector(selector))
    }

    fn matchers(&mut self) -> Parsed<Vec<Matcher>> {
        self.expect("{", "a metric")?;
        let mut matchers = Vec::new();
        while !self.took("}") {
            matchers.push(self.matcher()?);
            if !self.is_sign("}") {
                self.expect(",", "a matcher")?;
            }
        }
        Ok(matchers)
    }

    /// `job="shop"`, or `"the name of a metric"`.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let at = self.here();
        let (name, in_quotes) = match self.peek().clone() {
            Lexeme::Name(name) if !name.contains(':') => (name.to_owned(), false),
            Lexeme::Text(name) => (name, true),
            other => {
                let what = format!("{other} where a matcher belongs");
                return Err(self.wrong(&what, "write one like job=\"shop\", or `}`"));
            }
        };
        self.advance();
        let operation = match self.peek() {
            Lexeme::Sign("=") => Operation::Equal,
            Lexeme::Sign("!=") => Operation::NotEqual,
            Lexeme::Sign("=~") => Operation::Matches,
            Lexeme::Sign("!~") => Operation::MatchesNot,
            Lexeme::Sign("," | "}") if in_quotes => {
                return Matcher::new(METRIC_NAME, Operation::Equal, name)
                    .map_err(|error| self.bad_pattern(at, &error));
            }
            other => {
                let what = format!("{other} after the label of a matcher");
                return Err(self.wrong(&what, "write =, !=, =~ or !~ here"));
            }
        };
        self.advance();
        let Lexeme::Text(value) = self.peek().clone() else {
            let what = format!("{} where the value of a matcher belongs", self.peek());
            return Err(self.wrong(&what, "write a text in quotes here"));
        };
        let at = at.to(self.advance());
        Matcher::new(name, operation, value).map_err(|error| self.bad_pattern(at, &error))
    }

    /// The labels of one series.
    pub(super) fn label_set(&mut self) -> Parsed<Labels> {
        let mut labels = Vec::new();
        if let Lexeme::Name(name) = self.peek() {
            labels.push(Label { name: METRIC_NAME.into(), value: (*name).into() });
            self.advance();
        }
        if self.is_sign("{") {
            let at = self.here();
            for matcher in self.matchers()? {
                if matcher.operation() != Operation::Equal {
                    return Err(self.wrong_at(
                        at,
                        "a condition in the labels of a series",
                        "write =",
                    ));
                }
                labels.push(Label { name: matcher.name().into(), value: matcher.value().into() });
            }
        }
        Ok(Labels::new(labels))
    }

    /// What stands after an expression.
    pub(super) fn modified(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            if self.is_sign("[") {
                expr = self.range(expr)?;
            } else if self.is_sign("@") {
                self.advance();
                let at = self.moment()?;
                let end = self.behind();
                let place = expr.at;
                let when = self.when(&mut expr, "@")?;
                if when.at != At::Evaluation {
                    return Err(self.wrong_at(place.to(end), "a second `@`", "keep one"));
                }
                when.at = at;
                expr.at = expr.at.to(end);
            } else if self.is_word("offset") {
                self.advance();
                let offset = self.offset()?;
                let end = self.behind();
                let place = expr.at;
                let when = self.when(&mut expr, "offset")?;
                if when.offset.is_some() {
                    return Err(self.wrong_at(place.to(end), "a second `offset`", "keep one"));
                }
                when.offset = Some(offset);
                expr.at = expr.at.to(end);
            } else if self.is_word("anchored") || self.is_word("smoothed") {
                let edges =
                    if self.is_word("anchored") { Edges::Anchored } else { Edges::Smoothed };
                let end = self.advance();
                let place = expr.at;
                let selector = match &mut expr.kind {
                    Kind::Selector(selector) => selector,
                    Kind::Range(range) => &mut range.selector,
                    _ => {
                        let what = "`anchored` or `smoothed` after what is no selector";
                        return Err(self.wrong_at(
                            place,
                            what,
                            "put it after a selector or its range",
                        ));
                    }
                };
                if selector.edges != Edges::Plain {
                    let what = "`anchored` and `smoothed` together";
                    return Err(self.wrong_at(place, what, "keep one"));
                }
                selector.edges = edges;
                expr.at = expr.at.to(end);
            } else {
                return Ok(expr);
            }
        }
    }

    fn when<'e>(&self, expr: &'e mut Expr, word: &str) -> Parsed<&'e mut When> {
        let at = expr.at;
        match &mut expr.kind {
            Kind::Selector(selector) => Ok(&mut selector.when),
            Kind::Range(range) => Ok(&mut range.selector.when),
            Kind::Subquery(subquery) => Ok(&mut subquery.when),
            _ => {
                let what = format!("`{word}` after what is neither a selector nor a subquery");
                Err(self.wrong_at(at, what, "put it right after the selector"))
            }
        }
    }

    fn moment(&mut self) -> Parsed<At> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.took_word(word) {
                self.expect("(", "the name of a function")?;
                self.expect(")", "`(`")?;
                return Ok(at);
            }
        }
        let place = self.here();
        let seconds = self.number()?;
        let ms = (seconds * 1000.0).round();
        if !(ms > -9.0e15 && ms < 9.0e15) {
            return Err(self.wrong_at(
                place,
                "a moment beyond all bounds",
                "write seconds since 1970",
            ));
        }
        Ok(At::Moment(ms as i64))
    }

    /// `[5m]` or `[1h:1m]`.
    fn range(&mut self, expr: Expr) -> Parsed<Expr> {
        self.advance();
        let length = self.positive_length()?;
        if self.took(":") {
            let step = if self.is_sign("]") { None } else { Some(self.positive_length()?) };
            let end = self.expect("]", "the step of a subquery")?;
            let at = expr.at.to(end);
            let subquery = Subquery { of: expr, length, step, when: When::default() };
            return self.node(at, Kind::Subquery(Box::new(subquery)));
        }
        let end = self.expect("]", "the length of a range")?;
        let at = expr.at.to(end);
        match expr.kind {
            Kind::Selector(selector) if selector.when == When::default() => {
                self.node(at, Kind::Range(Box::new(Range { selector, length })))
            }
            Kind::Selector(_) => Err(self.wrong_at(
                at,
                "a range after `offset` or `@`",
                "put `offset` and `@` after the range",
            )),
            _ => Err(self.wrong_at(
                at,
                "a range of what is no selector",
                "make it a subquery: [5m:1m]",
            )),
        }
    }
}
