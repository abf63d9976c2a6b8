//! Expressions: a query as a tree, in which every node knows where it stands.
//!
//! Lints read it: [`Expr::walk`] goes through all nodes, and [`Expr::children`] names those below one.

use std::fmt;

use evenkeel_series::Matcher;

use crate::function::Function;
use crate::position::Position;

/// What an expression is worth.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// One number.
    Scalar,
    /// A text.
    Text,
    /// One sample of each of some series.
    Vector,
    /// A stretch of samples of each of some series.
    Range,
}

impl fmt::Display for Type {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Scalar => "a scalar",
            Self::Text => "a string",
            Self::Vector => "an instant vector",
            Self::Range => "a range vector",
        })
    }
}

/// A node, with all that is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Where it stands.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
    /// How many nodes lie on the longest way down, itself among them.
    pub(crate) depth: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `1`, `5m`
    Number(f64),
    /// `"text"`
    Text(String),
    /// `up{job="shop"} offset 5m`
    Selector(Selector),
    /// `up[5m]`
    Range(Box<Range>),
    /// `rate(x[5m])[1h:1m]`
    Subquery(Box<Subquery>),
    /// `rate(…)`
    Call(Box<Call>),
    /// `sum by (job) (…)`
    Aggregation(Box<Aggregation>),
    /// `a + b`
    Binary(Box<Binary>),
    /// `-a`, or `+a`
    Sign {
        /// Whether it turns the sign around.
        minus: bool,
        /// Of what.
        of: Box<Expr>,
    },
    /// `(a)`
    Parentheses(Box<Expr>),
}

/// Series, and the moment at which they are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// The metric, if it stands before the braces.
    pub name: Option<String>,
    /// Conditions, that on the name among them.
    pub matchers: Vec<Matcher>,
    /// When.
    pub when: When,
    /// How samples beside the range are taken in.
    pub edges: Edges,
}

/// When something is asked, seen from the moment of evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// `@`
    pub at: At,
    /// `offset`: how much earlier.
    pub offset: Option<Length>,
}

/// The moment of `@`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// That of evaluation.
    #[default]
    Evaluation,
    /// Milliseconds since 1970.
    Moment(i64),
    /// The first of the query.
    Start,
    /// The last of the query.
    End,
}

/// What happens at the edges of a range.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// Samples of the range alone; functions extrapolate.
    #[default]
    Plain,
    /// The sample before the range counts as its first.
    Anchored,
    /// Values at the edges are interpolated between their neighbours.
    Smoothed,
}

/// A stretch of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Of which series.
    pub selector: Selector,
    /// How long.
    pub length: Length,
}

/// An expression evaluated again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// Which.
    pub of: Expr,
    /// Over how long.
    pub length: Length,
    /// How often; the default if it is not said.
    pub step: Option<Length>,
    /// When.
    pub when: When,
}

/// A length of time.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Milliseconds; negative for an offset into the future.
    Fixed(i64),
    /// To be reckoned out when step and range of the query are known (experimental).
    Reckoned(Position, Box<Reckoning>),
}

/// How a length is reckoned out, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Reckoning {
    /// A number.
    Number(f64),
    /// The step of the query.
    Step,
    /// The length of the query.
    Range,
    /// The negative.
    Minus(Box<Reckoning>),
    /// Two put together.
    Of(Arithmetic, Box<Reckoning>, Box<Reckoning>),
    /// The lesser.
    Least(Box<Reckoning>, Box<Reckoning>),
    /// The greater.
    Greatest(Box<Reckoning>, Box<Reckoning>),
}

/// A function and what it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which.
    pub function: &'static Function,
    /// What it is given.
    pub arguments: Vec<Expr>,
}

/// Many series made into fewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// How.
    pub operation: Aggregate,
    /// `k`, `q`, or the name of a label.
    pub parameter: Option<Expr>,
    /// Of what.
    pub of: Expr,
    /// Whether [`labels`](Self::labels) are those that go.
    pub without: bool,
    /// The labels that stay, or go.
    pub labels: Vec<String>,
}

/// How many series are made into fewer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called as it is written in a query")]
pub enum Aggregate {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl Aggregate {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Sum, "sum"),
        (Self::Avg, "avg"),
        (Self::Count, "count"),
        (Self::Min, "min"),
        (Self::Max, "max"),
        (Self::Group, "group"),
        (Self::Stddev, "stddev"),
        (Self::Stdvar, "stdvar"),
        (Self::Topk, "topk"),
        (Self::Bottomk, "bottomk"),
        (Self::CountValues, "count_values"),
        (Self::Quantile, "quantile"),
        (Self::Limitk, "limitk"),
        (Self::LimitRatio, "limit_ratio"),
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(it, _)| *it == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, it)| it.eq_ignore_ascii_case(name)).map(|(it, _)| *it)
    }

    /// The type of its parameter, if it takes one.
    pub const fn parameter(self) -> Option<Type> {
        match self {
            Self::Topk | Self::Bottomk | Self::Quantile | Self::Limitk | Self::LimitRatio => {
                Some(Type::Scalar)
            }
            Self::CountValues => Some(Type::Text),
            _ => None,
        }
    }
}

/// Two expressions and an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Which.
    pub operator: Operator,
    /// Where it stands.
    pub operator_at: Position,
    /// What stands before it, …
    pub left: Expr,
    /// … and after it.
    pub right: Expr,
    /// `bool`: 0 or 1 instead of a filter.
    pub as_bool: bool,
    /// Which series belong together.
    pub matching: Matching,
}

/// An operator between two expressions.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+` and its like
    Arithmetic(Arithmetic),
    /// `==` and its like
    Comparison(Comparison),
    /// `and`, `or`, `unless`
    Set(Set),
    /// `</` and `>/`, which cut a histogram
    Trim {
        /// Whether what is below stays.
        below: bool,
    },
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say all")]
/// What makes a number of two.
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say all")]
/// What compares two numbers.
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called as it is written in a query")]
/// What makes one set of series of two.
pub enum Set {
    And,
    Or,
    Unless,
}

impl Operator {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Arithmetic(Arithmetic::Add) => "+",
            Self::Arithmetic(Arithmetic::Subtract) => "-",
            Self::Arithmetic(Arithmetic::Multiply) => "*",
            Self::Arithmetic(Arithmetic::Divide) => "/",
            Self::Arithmetic(Arithmetic::Modulo) => "%",
            Self::Arithmetic(Arithmetic::Power) => "^",
            Self::Arithmetic(Arithmetic::Atan2) => "atan2",
            Self::Comparison(Comparison::Equal) => "==",
            Self::Comparison(Comparison::NotEqual) => "!=",
            Self::Comparison(Comparison::Less) => "<",
            Self::Comparison(Comparison::LessOrEqual) => "<=",
            Self::Comparison(Comparison::Greater) => ">",
            Self::Comparison(Comparison::GreaterOrEqual) => ">=",
            Self::Set(Set::And) => "and",
            Self::Set(Set::Or) => "or",
            Self::Set(Set::Unless) => "unless",
            Self::Trim { below: true } => "</",
            Self::Trim { below: false } => ">/",
        }
    }

    /// The higher, the tighter it binds.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            Self::Set(Set::Or) => 1,
            Self::Set(Set::And | Set::Unless) => 2,
            Self::Comparison(_) | Self::Trim { .. } => 3,
            Self::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => 4,
            Self::Arithmetic(Arithmetic::Power) => 6,
            Self::Arithmetic(_) => 5,
        }
    }
}

/// Which series of two sides belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// Whether only [`labels`](Self::labels) are compared, not all but those.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// `group_left`, `group_right`: the side of which several belong to one of the other.
    pub many: Option<Many>,
    /// What stands in for a missing sample of the left side, …
    pub fill_left: Option<f64>,
    /// … and of the right.
    pub fill_right: Option<f64>,
}

/// The side of which several belong to one of the other, and the labels that it takes over from there.
#[derive(Clone, Debug, PartialEq)]
pub enum Many {
    /// `group_left`
    Left(Vec<String>),
    /// `group_right`
    Right(Vec<String>),
}

impl Expr {
    /// What it is worth.
    pub fn kind_of_value(&self) -> Type {
        match &self.kind {
            Kind::Number(_) => Type::Scalar,
            Kind::Text(_) => Type::Text,
            Kind::Selector(_) | Kind::Aggregation(_) => Type::Vector,
            Kind::Range(_) | Kind::Subquery(_) => Type::Range,
            Kind::Call(call) => call.function.gives,
            Kind::Binary(binary) => {
                let both = [&binary.left, &binary.right].map(Self::kind_of_value);
                if both == [Type::Scalar; 2] { Type::Scalar } else { Type::Vector }
            }
            Kind::Sign { of, .. } | Kind::Parentheses(of) => of.kind_of_value(),
        }
    }

    /// The nodes right below it.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Selector(_) | Kind::Range(_) => Vec::new(),
            Kind::Subquery(subquery) => vec![&subquery.of],
            Kind::Call(call) => call.arguments.iter().collect(),
            Kind::Aggregation(it) => it.parameter.iter().chain([&it.of]).collect(),
            Kind::Binary(binary) => vec![&binary.left, &binary.right],
            Kind::Sign { of, .. } | Kind::Parentheses(of) => vec![of],
        }
    }

    /// Shows it and all that is below it, parents first.
    pub fn walk<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        for child in self.children() {
            child.walk(see);
        }
    }

    /// Without parentheses around it.
    pub fn bare(&self) -> &Self {
        match &self.kind {
            Kind::Parentheses(of) => of.bare(),
            _ => self,
        }
    }

    /// The selectors in it, in order.
    pub fn selectors(&self) -> Vec<&Selector> {
        let mut found = Vec::new();
        self.walk(&mut |expr| match &expr.kind {
            Kind::Selector(selector) => found.push(selector),
            Kind::Range(range) => found.push(&range.selector),
            _ => {}
        });
        found
    }
}
