//! JSON in which every member is there once, at any depth.
//!
//! Readers disagree on which of two members counts, so that a token could mean one thing here and
//! another at a service.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A whole number that is not negative: the only kind that tokens have a use for.
    Whole(u64),
    OtherNumber,
    /// Some texts are keys, so all are wiped.
    Text(Zeroizing<String>),
    List(Vec<Json>),
    Object(Members),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Members(Vec<(String, Json)>);

impl Members {
    /// Reads text that must be one object and nothing else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        match serde_json::from_slice(text) {
            Ok(Json::Object(members)) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Json> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// Why a member is not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` is not of its type")]
    Kind(&'static str),
    #[error("`{0}` has a value that it must not have")]
    Value(&'static str),
    #[error("there is a member that is not known")]
    Unknown,
}

impl Members {
    /// Refuses members beyond these.
    pub(crate) fn check_names(&self, known: &[&str]) -> Result<(), MemberError> {
        let all_known = self
            .0
            .iter()
            .all(|(name, _)| known.contains(&name.as_str()));
        if all_known {
            Ok(())
        } else {
            Err(MemberError::Unknown)
        }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&str, MemberError> {
        self.optional_text(name)?.ok_or(MemberError::Missing(name))
    }

    pub(crate) fn whole(&self, name: &'static str) -> Result<u64, MemberError> {
        self.optional_whole(name)?.ok_or(MemberError::Missing(name))
    }

    pub(crate) fn truth(&self, name: &'static str) -> Result<bool, MemberError> {
        match self.find(name) {
            Some(Json::Bool(value)) => Ok(*value),
            Some(_) => Err(MemberError::Kind(name)),
            None => Err(MemberError::Missing(name)),
        }
    }

    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, MemberError> {
        let Some(value) = self.find(name) else {
            return Ok(None);
        };
        value.as_text().map(Some).ok_or(MemberError::Kind(name))
    }

    pub(crate) fn optional_whole(&self, name: &'static str) -> Result<Option<u64>, MemberError> {
        let Some(value) = self.find(name) else {
            return Ok(None);
        };
        value.as_whole().map(Some).ok_or(MemberError::Kind(name))
    }

    pub(crate) fn list(&self, name: &'static str) -> Result<&[Json], MemberError> {
        let value = self.find(name).ok_or(MemberError::Missing(name))?;
        value.as_list().ok_or(MemberError::Kind(name))
    }

    pub(crate) fn object(&self, name: &'static str) -> Result<&Self, MemberError> {
        let value = self.find(name).ok_or(MemberError::Missing(name))?;
        value.as_object().ok_or(MemberError::Kind(name))
    }

    /// A list of texts; an absent one is empty.
    pub(crate) fn texts(&self, name: &'static str) -> Result<Vec<String>, MemberError> {
        let Some(value) = self.find(name) else {
            return Ok(Vec::new());
        };
        let texts = value.as_texts().ok_or(MemberError::Kind(name))?;
        Ok(texts.into_iter().map(str::to_owned).collect())
    }
}

impl Json {
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    pub(crate) const fn as_whole(&self) -> Option<u64> {
        if let Self::Whole(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self {
            Some(list)
        } else {
            None
        }
    }

    pub(crate) const fn as_object(&self) -> Option<&Members> {
        if let Self::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// A list that holds texts and nothing else.
    pub(crate) fn as_texts(&self) -> Option<Vec<&str>> {
        self.as_list()?.iter().map(Self::as_text).collect()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members = Members::default();
        while let Some(name) = from.next_key::<String>()? {
            if members.has(&name) {
                return Err(de::Error::custom("a member is there twice"));
            }
            members.0.push((name, from.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_only_if_no_member_is_there_twice() {
        let cases = [
            (r#"{}"#, true),
            (r#" {"a":1,"A":2,"b":{"a":[{"a":null}]}} "#, true),
            (r#"{"a":1,"a":1}"#, false),
            (r#"{"a":1,"\u0061":2}"#, false),
            (r#"{"b":{"a":1,"a":2}}"#, false),
            (r#"{"b":[[{"a":1,"a":2}]]}"#, false),
            (r#"[]"#, false),
            (r#"{} {}"#, false),
            (r#"{"a":1,}"#, false),
            ("", false),
            (&format!("{{\"a\":{}", "[".repeat(4000)), false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Members::parse(text.as_bytes()).is_some(),
                expected,
                "{text}"
            );
        }
        assert!(Members::parse(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn only_a_whole_number_is_one() {
        let cases = [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.0", None),
            ("1e3", None),
            ("\"1\"", None),
            ("true", None),
        ];
        for (text, expected) in cases {
            let members = Members::parse(format!("{{\"n\":{text}}}").as_bytes()).unwrap();
            assert_eq!(
                members.find("n").and_then(Json::as_whole),
                expected,
                "{text}"
            );
        }
    }
}
