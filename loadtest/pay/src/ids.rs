//! The names of things: text on the wire, small numbers inside. `7` is a member, `007` is not.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digits::Digits;

/// A member's number, from one on. The money account of a member carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(u32);

impl MemberId {
    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        canonical(text)?.try_into().ok().map(Self)
    }
}

/// A remittance's number, from one on, in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RemittanceId(u64);

impl RemittanceId {
    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        canonical(text).map(Self)
    }
}

/// The code of a bank: one to eleven letters and digits, as BIC and national codes are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BankCode(Box<str>);

const BANK_CODE_BYTES_MAX: usize = 11;

impl BankCode {
    /// The code of the `number`th seeded bank, whose leading zeros are part of it.
    pub(crate) fn from_number(number: u32) -> Self {
        Self(Digits::at_least(4, number.into()).as_str().into())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_code = (1..=BANK_CODE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric());
        is_code.then(|| Self(text.into()))
    }
}

/// A decimal number above zero in its only spelling.
fn canonical(text: &str) -> Option<u64> {
    let is_canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if is_canonical {
        text.parse().ok()
    } else {
        None
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RemittanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BankCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MemberId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.0.into()).as_str())
    }
}

impl Serialize for RemittanceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.0).as_str())
    }
}

impl Serialize for BankCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not the id of a member"))
    }
}

impl<'de> Deserialize<'de> for BankCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not the code of a bank"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(MemberId::parse("7"), Some(MemberId(7)));
        assert_eq!(MemberId::parse("4294967295"), Some(MemberId(u32::MAX)));
        for text in [
            "",
            "0",
            "007",
            "+7",
            "-7",
            "7 ",
            "7.0",
            "4294967296",
            "٧",
            "7a",
        ] {
            assert_eq!(MemberId::parse(text), None, "{text:?}");
        }
        assert_eq!(RemittanceId::parse("18446744073709551616"), None);
    }

    #[test]
    fn leading_zeros_belong_to_a_bank_code() {
        assert_eq!(BankCode::from_number(7).to_string(), "0007");
        assert_ne!(BankCode::parse("7"), BankCode::parse("0007"));
        for text in ["", "0123456789ab", "a b", "é"] {
            assert_eq!(BankCode::parse(text), None, "{text:?}");
        }
    }
}
