//! Shares: `1%`, `0.05%`.

use std::fmt;

use crate::reader::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percent {
    of_10_000: u32,
}

impl Percent {
    pub(crate) const fn whole(percent: u32) -> Self {
        Self {
            of_10_000: percent * 100,
        }
    }

    pub(crate) fn of_10_000(self) -> u32 {
        self.of_10_000
    }
}

impl Scalar for Percent {
    const EXPECTED: &'static str = "a share such as `1%`, `25%` or `0.05%`";

    fn parse(text: &str) -> Result<Self, String> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let Some(number) = text.strip_suffix('%') else {
            return Err(match is_number(text) {
                true => format!("the unit is missing: `{text}%`?"),
                false => String::new(),
            });
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        if !is_number(whole) || !is_number(part) {
            return Err("a number comes first".to_owned());
        }
        if part.len() > 2 {
            return Err("at most two digits behind the point".to_owned());
        }
        let parsed = format!("{whole}{part:0<2}").parse();
        parsed
            .map(|of_10_000| Self { of_10_000 })
            .map_err(|_| "this is too large".to_owned())
    }
}

/// The shortest spelling that reads as the same share.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.of_10_000 / 100, self.of_10_000 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            _ if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_carries_its_sign() {
        let share = |of_10_000| Ok(Percent { of_10_000 });
        #[rustfmt::skip]
        let cases = [
            ("1%",            share(100)),
            ("100%",          share(10_000)),
            ("0%",            share(0)),
            ("0.5%",          share(50)),
            ("0.05%",         share(5)),
            ("12.34%",        share(1_234)),
            ("1",             Err("the unit is missing: `1%`?")),
            ("0.005%",        Err("at most two digits behind the point")),
            ("%",             Err("a number comes first")),
            (".5%",           Err("a number comes first")),
            ("1.%",           Err("a number comes first")),
            ("-1%",           Err("a number comes first")),
            ("1 %",           Err("a number comes first")),
            ("99999999999%",  Err("this is too large")),
            ("all",           Err("")),
        ];
        for (text, expected) in cases {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(Percent::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_share_is_shown_as_it_would_be_written() {
        for text in ["0%", "1%", "100%", "0.5%", "0.05%", "12.34%"] {
            assert_eq!(Percent::parse(text).unwrap().to_string(), text);
        }
    }
}
