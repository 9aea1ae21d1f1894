//! Exact, non-negative amounts of money: how is `0.1 + 0.2` made to be `0.30`, always?
//!
//! An amount is limbs of eighteen decimal digits on both sides of the point, so nothing is ever
//! rounded and no precision is lost to a float. It cannot be negative: a balance below zero is not
//! a value that somebody has to check for, it is one that does not exist.
//!
//! The text is canonical, one spelling per value: no sign, no exponent, no leading zeros, and at
//! least two digits after the point (`7` is written `7.00`, `0.1230` is written `0.123`).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digits::Digits;

/// The longest text that is read as an amount.
pub(crate) const TEXT_BYTES_MAX: usize = 80;

const LIMB_DIGITS: usize = 18;
const LIMB: u64 = 1_000_000_000_000_000_000;
const FRACTION_DIGITS_MIN: usize = 2;

/// An exact amount, zero or more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    /// Least significant limb first, without leading zeros at the end.
    whole: Vec<u64>,
    /// Most significant limb first, without trailing zeros.
    fraction: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecimalError {
    #[error("an amount is plain decimal text such as 10 or 10.50")]
    NotPlain,
    #[error("an amount has at most {TEXT_BYTES_MAX} characters")]
    TooLong,
}

impl Decimal {
    /// `whole` and as much behind the point as `fraction` has, of so many digits.
    pub(crate) fn with_fraction(whole: u64, fraction: u64, digits: usize) -> Self {
        let missing = LIMB_DIGITS.saturating_sub(digits);
        let fraction = (0..missing).fold(fraction, |value, _| value * 10);
        let carried = whole + fraction / LIMB;
        let whole = vec![carried % LIMB, carried / LIMB];
        Self::from_limbs(whole, vec![fraction % LIMB])
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        let (fraction, carry) = add(
            padded(&self.fraction, other.fraction.len()).rev(),
            padded(&other.fraction, self.fraction.len()).rev(),
            0,
        );
        let (mut whole, carry) = add(
            padded(&self.whole, other.whole.len()),
            padded(&other.whole, self.whole.len()),
            carry,
        );
        if carry > 0 {
            whole.push(carry);
        }
        Self::from_limbs(whole, fraction)
    }

    /// What is left when `other` is taken away; nothing where that would be below zero.
    pub(crate) fn minus(&self, other: &Self) -> Option<Self> {
        if self < other {
            return None;
        }
        let (fraction, borrow) = subtract(
            padded(&self.fraction, other.fraction.len()).rev(),
            padded(&other.fraction, self.fraction.len()).rev(),
            0,
        );
        let (whole, _) = subtract(
            padded(&self.whole, other.whole.len()),
            padded(&other.whole, self.whole.len()),
            borrow,
        );
        Some(Self::from_limbs(whole, fraction))
    }

    /// Takes both sides least significant limb first and restores the form that makes equal
    /// amounts equal values.
    fn from_limbs(mut whole: Vec<u64>, mut fraction: Vec<u64>) -> Self {
        fraction.reverse();
        trim(&mut whole);
        trim(&mut fraction);
        Self { whole, fraction }
    }
}

fn trim(limbs: &mut Vec<u64>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

/// The limbs, followed by zeros up to the length of the other operand.
fn padded(limbs: &[u64], other: usize) -> impl DoubleEndedIterator<Item = u64> {
    let missing = other.saturating_sub(limbs.len());
    let zeros = std::iter::repeat_n(0, missing);
    limbs.iter().copied().chain(zeros)
}

fn add(
    left: impl Iterator<Item = u64>,
    right: impl Iterator<Item = u64>,
    mut carry: u64,
) -> (Vec<u64>, u64) {
    let mut sums = Vec::new();
    for (left, right) in left.zip(right) {
        let sum = left + right + carry;
        carry = sum / LIMB;
        sums.push(sum % LIMB);
    }
    (sums, carry)
}

fn subtract(
    left: impl Iterator<Item = u64>,
    right: impl Iterator<Item = u64>,
    mut borrow: u64,
) -> (Vec<u64>, u64) {
    let mut differences = Vec::new();
    for (left, right) in left.zip(right) {
        let taken = right + borrow;
        borrow = u64::from(left < taken);
        differences.push(left + borrow * LIMB - taken);
    }
    (differences, borrow)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.whole
            .len()
            .cmp(&other.whole.len())
            .then_with(|| self.whole.iter().rev().cmp(other.whole.iter().rev()))
            .then_with(|| self.fraction.cmp(&other.fraction))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<u64> for Decimal {
    fn from(units: u64) -> Self {
        Self::from_limbs(vec![units % LIMB, units / LIMB], Vec::new())
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(DecimalError::TooLong);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        if !is_digits(whole) || !is_digits(fraction) || has_leading_zero {
            return Err(DecimalError::NotPlain);
        }
        let whole = whole.as_bytes().rchunks(LIMB_DIGITS).map(limb).collect();
        let mut fraction: Vec<u64> = fraction
            .as_bytes()
            .chunks(LIMB_DIGITS)
            .map(shifted)
            .collect();
        fraction.reverse();
        Ok(Self::from_limbs(whole, fraction))
    }
}

/// The value of up to eighteen ASCII digits.
fn limb(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// The value of up to eighteen digits that stand right after the point.
fn shifted(digits: &[u8]) -> u64 {
    let missing = LIMB_DIGITS - digits.len();
    (0..missing).fold(limb(digits), |value, _| value * 10)
}

impl Decimal {
    fn spell(&self) -> String {
        let mut limbs = self.whole.iter().rev();
        let mut text = Digits::of(*limbs.next().unwrap_or(&0)).as_str().to_owned();
        for limb in limbs {
            text.push_str(Digits::at_least(LIMB_DIGITS, *limb).as_str());
        }
        text.push('.');
        let least = text.len() + FRACTION_DIGITS_MIN;
        for limb in &self.fraction {
            text.push_str(Digits::at_least(LIMB_DIGITS, *limb).as_str());
        }
        let digits = text.trim_end_matches('0').len().max(least);
        text.truncate(digits);
        while text.len() < least {
            text.push('0');
        }
        text
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spell())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spell())
    }
}

/// Only JSON text is an amount: a JSON number has been a float in somebody's hands.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn every_value_has_one_spelling() {
        for (text, canonical) in [
            ("0", "0.00"),
            ("7", "7.00"),
            ("7.5", "7.50"),
            ("10.00", "10.00"),
            ("0.1230", "0.123"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("0.0000000000000000001", "0.0000000000000000001"),
            ("1000000000000000000", "1000000000000000000.00"),
            (
                "12345678901234567890123456789.0",
                "12345678901234567890123456789.00",
            ),
        ] {
            assert_eq!(decimal(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_a_plain_amount_is_refused() {
        for text in [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "1E+2", "007", "00", " 1", "1 ", "1,5",
            "1.2.3", "NaN", "inf", "٣", "0x1", "1_000",
        ] {
            assert_eq!(
                text.parse::<Decimal>(),
                Err(DecimalError::NotPlain),
                "{text:?}"
            );
        }
        assert!("9".repeat(TEXT_BYTES_MAX).parse::<Decimal>().is_ok());
        assert_eq!(
            "9".repeat(TEXT_BYTES_MAX + 1).parse::<Decimal>(),
            Err(DecimalError::TooLong)
        );
    }

    #[test]
    fn a_json_number_is_not_an_amount() {
        assert!(serde_json::from_str::<Decimal>("10.5").is_err());
        assert_eq!(
            serde_json::from_str::<Decimal>("\"10.5\"").unwrap(),
            decimal("10.50")
        );
    }

    #[test]
    fn carries_and_borrows_cross_the_point_and_the_limbs() {
        let nines = decimal("999999999999999999.999999999999999999");
        let least = decimal("0.000000000000000001");
        let sum = nines.plus(&least);
        assert_eq!(sum.to_string(), "1000000000000000000.00");
        assert_eq!(sum.minus(&least), Some(nines));
        assert_eq!(least.minus(&sum), None);
    }

    /// Digits on both sides of the point, few enough for `u128` to be the judge.
    fn parts() -> impl Strategy<Value = (u64, u64)> {
        (0..10_u64.pow(19), 0..10_u64.pow(19))
    }

    fn text((whole, fraction): (u64, u64)) -> String {
        format!("{whole}.{fraction:019}")
    }

    fn scaled((whole, fraction): (u64, u64)) -> u128 {
        u128::from(whole) * 10_u128.pow(19) + u128::from(fraction)
    }

    fn of_scaled(value: u128) -> Decimal {
        let scale = 10_u128.pow(19);
        decimal(&format!("{}.{:019}", value / scale, value % scale))
    }

    proptest! {
        #[test]
        fn sums_differences_and_order_agree_with_integers(left in parts(), right in parts()) {
            let (a, b) = (decimal(&text(left)), decimal(&text(right)));
            prop_assert_eq!(a.plus(&b), of_scaled(scaled(left) + scaled(right)));
            prop_assert_eq!(a.minus(&b), scaled(left).checked_sub(scaled(right)).map(of_scaled));
            prop_assert_eq!(a.cmp(&b), scaled(left).cmp(&scaled(right)));
        }

        #[test]
        fn the_canonical_text_reads_back_as_the_same_amount(text in "(0|[1-9][0-9]{0,38})(\\.[0-9]{1,38})?") {
            let value = decimal(&text);
            prop_assert_eq!(&decimal(&value.to_string()), &value);
            prop_assert_eq!(decimal(&value.to_string()).to_string(), value.to_string());
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in "[1-9][0-9]{0,38}\\.[0-9]{1,38}", b in "(0|[1-9][0-9]{0,38})(\\.[0-9]{1,38})?") {
            let (a, b) = (decimal(&a), decimal(&b));
            let sum = a.plus(&b);
            prop_assert_eq!(&b.plus(&a), &sum);
            prop_assert_eq!(sum.minus(&b), Some(a.clone()));
            prop_assert_eq!(sum.minus(&a), Some(b));
            prop_assert!(sum >= a);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<Decimal>();
        }
    }
}
