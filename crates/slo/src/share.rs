//! Share: a quotient of whole numbers, compared without rounding.
//!
//! In floating numbers, what 99.92 % leaves of the budget of 99.9 % is 0.19999999999997775, and whoever asks for
//! a fifth is refused. So shares stay quotients until they are shown.

use std::cmp::Ordering;
use std::fmt;

use evenkeel_units::Ratio;

/// A quotient in lowest terms; negative when overspent, and more than one when something burns fast.
///
/// A part of nothing is endless, with the sign of the part; nothing of nothing is all of it, because nothing was
/// asked and nothing is owed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    part: i128,
    whole: u128,
}

impl Share {
    /// Nothing.
    pub const ZERO: Self = Self { part: 0, whole: 1 };
    /// All of it.
    pub const ONE: Self = Self { part: 1, whole: 1 };

    /// `part` of `whole`.
    pub fn new(part: i128, whole: u128) -> Self {
        if whole == 0 {
            return match part.signum() {
                0 => Self::ONE,
                sign => Self { part: sign, whole: 0 },
            };
        }
        let divisor = gcd(part.unsigned_abs(), whole);
        // The divisor of zero and a whole is the whole, which may be more than a signed number holds.
        match i128::try_from(divisor) {
            Ok(it) => Self { part: part / it, whole: whole / divisor },
            Err(_) => Self { part: part.signum(), whole: whole / divisor },
        }
    }

    /// `part` of `whole` of what is counted.
    pub fn of(part: u64, whole: u64) -> Self {
        Self::new(i128::from(part), u128::from(whole))
    }

    /// The share nearest to a decimal number, to a millionth; `None` unless it is between minus and plus a billion.
    pub fn decimal(value: f64) -> Option<Self> {
        (value.abs() <= 1e9).then(|| Self::new((value * 1e6).round() as i128, 1_000_000))
    }

    /// As a floating number.
    pub fn get(self) -> f64 {
        match self.whole {
            0 => f64::INFINITY.copysign(self.part as f64),
            whole => self.part as f64 / whole as f64,
        }
    }

    /// What is missing to one.
    pub fn rest(self) -> Self {
        Self::ONE.minus(self)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { part: other.part.saturating_neg(), whole: other.whole })
    }

    /// The sum. What is endless stays endless.
    pub fn plus(self, other: Self) -> Self {
        match (self.whole, other.whole) {
            (_, 0) => return other,
            (0, _) => return self,
            (a, b) if a == b => return Self::new(self.part.saturating_add(other.part), a),
            _ => {}
        }
        let sum = || {
            let left = self.part.checked_mul(i128::try_from(other.whole).ok()?)?;
            let right = other.part.checked_mul(i128::try_from(self.whole).ok()?)?;
            Some(Self::new(left.checked_add(right)?, self.whole.checked_mul(other.whole)?))
        };
        sum().unwrap_or_else(|| self.coarse().plus(other.coarse()))
    }

    /// The product.
    pub fn times(self, other: Self) -> Self {
        // Crosswise first, so that the products are as small as they can be.
        let (a, b) = (Self::new(self.part, other.whole), Self::new(other.part, self.whole));
        let product =
            || Some(Self::new(a.part.checked_mul(b.part)?, a.whole.checked_mul(b.whole)?));
        product().unwrap_or_else(|| self.coarse().times(other.coarse()))
    }

    /// One divided by it. Of nothing: endless.
    pub fn inverse(self) -> Self {
        let whole = i128::try_from(self.whole).unwrap_or(i128::MAX);
        Self::new(if self.part < 0 { -whole } else { whole }, self.part.unsigned_abs())
    }

    /// The same within 2⁻⁵⁰, in numbers whose products fit. Only counts beyond 10¹⁸ come here.
    fn coarse(self) -> Self {
        let bits = 128 - self.part.unsigned_abs().max(self.whole).leading_zeros();
        let shift = bits.saturating_sub(52);
        Self::new(self.part >> shift, (self.whole >> shift).max(1))
    }
}

impl From<Ratio> for Share {
    fn from(it: Ratio) -> Self {
        Self::new(i128::from(it.billionths()), 1_000_000_000)
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.part.signum(), other.part.signum()) {
            (a, b) if a != b => a.cmp(&b),
            (-1, _) => compare(
                (other.part.unsigned_abs(), other.whole),
                (self.part.unsigned_abs(), self.whole),
            ),
            _ => compare(
                (self.part.unsigned_abs(), self.whole),
                (other.part.unsigned_abs(), other.whole),
            ),
        }
    }
}

/// Which of two quotients is larger, by their continued fractions: exact, and nothing can overflow.
fn compare(a: (u128, u128), b: (u128, u128)) -> Ordering {
    match (a.1, b.1) {
        (0, 0) => return Ordering::Equal,
        (0, _) => return Ordering::Greater,
        (_, 0) => return Ordering::Less,
        _ => {}
    }
    let whole = (a.0 / a.1).cmp(&(b.0 / b.1));
    let (rest_a, rest_b) = (a.0 % a.1, b.0 % b.1);
    match (whole, rest_a, rest_b) {
        (Ordering::Equal, 0, 0) => Ordering::Equal,
        (Ordering::Equal, 0, _) => Ordering::Less,
        (Ordering::Equal, _, 0) => Ordering::Greater,
        // The inverse of what is left: the larger it is, the smaller the quotient.
        (Ordering::Equal, ..) => compare((b.1, rest_b), (a.1, rest_a)),
        (order, ..) => order,
    }
}

const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// As a number with at most six digits behind the point: `14.4`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal(self.get()))
    }
}

/// A number with at most six digits behind the point, and none that say nothing.
pub(crate) fn decimal(value: f64) -> String {
    written(value, 6)
}

/// As a percentage with at most four digits behind the point: `-12.5 %`.
pub(crate) fn percent(share: Share) -> String {
    format!("{} %", written(share.get() * 100.0, 4))
}

/// With so many digits behind the point at most.
fn written(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}").replace("inf", "∞");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fifth_is_a_fifth() {
        let spent = Share::new(8, 10);
        assert_eq!(spent.rest(), Share::from(Ratio::percent(20)));
        assert_eq!(spent.rest().to_string(), "0.2");
    }

    #[test]
    fn nothing_of_nothing_is_all_of_it_and_something_of_nothing_is_endless() {
        assert_eq!(Share::of(0, 0), Share::ONE);
        assert!(Share::of(3, 0) > Share::of(u64::MAX, 1));
        assert!(Share::of(3, 0).rest() < Share::new(i128::MIN, 1).plus(Share::ONE));
        assert!(Share::of(3, 0).rest().get().is_infinite());
        assert_eq!(percent(Share::of(3, 0).rest()), "-∞ %");
    }

    #[test]
    fn a_factor_of_a_window_is_the_decimal_that_people_write() {
        let factor = Share::of(2, 100).times(Share::of(720, 1));
        assert_eq!(Some(factor), Share::decimal(14.4));
        assert_eq!(factor.to_string(), "14.4");
        assert_eq!(factor.inverse(), Share::of(10, 144));
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_cross_products(a in -1000i64..1000, b in 1u32..1000, c in -1000i64..1000, d in 1u32..1000) {
            let (left, right) = (Share::new(a.into(), b.into()), Share::new(c.into(), d.into()));
            let crossed = (i128::from(a) * i128::from(d)).cmp(&(i128::from(c) * i128::from(b)));
            prop_assert_eq!(left.cmp(&right), crossed);
        }

        #[test]
        fn sums_and_products_are_exact_in_small_numbers(a in -1000i64..1000, b in 1u32..1000, c in -1000i64..1000, d in 1u32..1000) {
            let (left, right) = (Share::new(a.into(), b.into()), Share::new(c.into(), d.into()));
            prop_assert_eq!(left.plus(right).minus(right), left);
            if c != 0 {
                prop_assert_eq!(left.times(right).times(right.inverse()), left);
            }
        }

        #[test]
        fn no_numbers_panic(a in any::<i128>(), b in any::<u128>(), c in any::<i128>(), d in any::<u128>()) {
            let (left, right) = (Share::new(a, b), Share::new(c, d));
            let all = [left.plus(right), left.minus(right), left.times(right), left.inverse(), left.rest()];
            prop_assert!(all.iter().all(|it| !it.get().is_nan() && !it.to_string().is_empty()));
            prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        }
    }
}
