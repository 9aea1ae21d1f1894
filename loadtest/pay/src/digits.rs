//! Whole numbers as text, without a heap and without a formatter: an answer has hundreds of them.

/// The digits of a number, in their only spelling.
pub(crate) struct Digits {
    text: [u8; Self::MOST],
    from: usize,
}

impl Digits {
    const MOST: usize = 20;

    pub(crate) fn of(number: u64) -> Self {
        Self::at_least(1, number)
    }

    /// With zeros in front up to a width.
    pub(crate) fn at_least(width: usize, mut number: u64) -> Self {
        let mut text = [b'0'; Self::MOST];
        let mut from = Self::MOST;
        for (at, digit) in text.iter_mut().enumerate().rev() {
            if number == 0 && Self::MOST - from >= width {
                break;
            }
            *digit += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            from = at;
        }
        Self { text, from }
    }

    pub(crate) fn as_str(&self) -> &str {
        let digits = self.text.get(self.from..).unwrap_or_default();
        str::from_utf8(digits).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_a_formatter_writes() {
        for number in [0, 1, 9, 10, 99, 100, 1_000_000, u64::MAX - 1, u64::MAX] {
            assert_eq!(Digits::of(number).as_str(), number.to_string());
            for width in [1, 4, 18, 20] {
                let expected = format!("{number:0width$}");
                assert_eq!(Digits::at_least(width, number).as_str(), expected);
            }
        }
    }
}
