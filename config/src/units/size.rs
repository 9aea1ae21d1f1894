//! Sizes: `512B`, `64KiB`, `1MiB`. Only powers of 1024, since `64KB` means two things.

use std::fmt;

use super::split_unit;
use crate::reader::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size {
    bytes: u64,
}

#[rustfmt::skip]
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    pub(crate) const fn bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    pub(crate) const fn kib(kibibytes: u64) -> Self {
        Self {
            bytes: kibibytes << 10,
        }
    }

    pub(crate) const fn mib(mebibytes: u64) -> Self {
        Self {
            bytes: mebibytes << 20,
        }
    }

    pub(crate) const fn tib(tebibytes: u64) -> Self {
        Self {
            bytes: tebibytes << 40,
        }
    }

    pub(crate) fn get(self) -> u64 {
        self.bytes
    }

    pub(crate) fn get_usize(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

impl Scalar for Size {
    const EXPECTED: &'static str = "a size such as `512B`, `64KiB` or `1MiB`";

    fn parse(text: &str) -> Result<Self, String> {
        let (digits, unit) = split_unit(text);
        if digits.is_empty() {
            return Err("a number comes first".to_owned());
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(without_unit(digits, unit));
        };
        let number: Option<u64> = digits.parse().ok();
        let bytes = number.and_then(|number| number.checked_mul(*factor));
        bytes
            .map(Self::bytes)
            .ok_or_else(|| "this is too large".to_owned())
    }
}

fn without_unit(digits: &str, unit: &str) -> String {
    if unit.is_empty() {
        let bytes = digits
            .parse()
            .ok()
            .filter(|bytes| *bytes > 0)
            .map(Size::bytes);
        return match bytes.filter(|size| size.bytes.is_multiple_of(1_024)) {
            Some(size) => format!("the unit is missing: `{size}`?"),
            None => format!("the unit is missing: `{digits}B` or `{digits}KiB`?"),
        };
    }
    if unit.starts_with('.') {
        return "whole numbers only: write `1536KiB` for 1.5 MiB".to_owned();
    }
    let first = unit
        .trim_start()
        .chars()
        .next()
        .map(|first| first.to_ascii_uppercase());
    match first {
        Some('B') => format!("write `{digits}B`"),
        Some(prefix @ ('K' | 'M' | 'G' | 'T')) => format!("write `{digits}{prefix}iB`"),
        Some(_) | None => "the units are `B`, `KiB`, `MiB`, `GiB` and `TiB`".to_owned(),
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u64| self.bytes >= factor && self.bytes.is_multiple_of(factor);
        match UNITS.iter().find(|(_, factor)| fits(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.bytes / factor),
            None => f.write_str("0B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_carries_its_unit() {
        #[rustfmt::skip]
        let cases = [
            ("0B",                     Ok(Size::bytes(0))),
            ("512B",                   Ok(Size::bytes(512))),
            ("64KiB",                  Ok(Size::bytes(65_536))),
            ("1MiB",                   Ok(Size::mib(1))),
            ("2GiB",                   Ok(Size::mib(2048))),
            ("64",                     Err("the unit is missing: `64B` or `64KiB`?")),
            ("65536",                  Err("the unit is missing: `64KiB`?")),
            ("64KB",                   Err("write `64KiB`")),
            ("64k",                    Err("write `64KiB`")),
            ("64 MiB",                 Err("write `64MiB`")),
            ("1.5MiB",                 Err("whole numbers only: write `1536KiB` for 1.5 MiB")),
            ("5x",                     Err("the units are `B`, `KiB`, `MiB`, `GiB` and `TiB`")),
            ("",                       Err("a number comes first")),
            ("99999999999999999TiB",   Err("this is too large")),
        ];
        for (text, expected) in cases {
            assert_eq!(Size::parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_would_be_written() {
        for text in [
            "0B", "1B", "1000B", "1KiB", "60KiB", "1MiB", "1536KiB", "1TiB",
        ] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
    }
}
