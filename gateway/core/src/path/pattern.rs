//! The paths a route answers for: `/exact`, `/members/{id}`, `/money/{rest*}`.

use super::{PathError, canonical};

/// A path pattern, segment by segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text and no other.
    Literal(String),
    /// Any one segment that is not empty.
    Param(String),
    /// All segments that remain, also none.
    Rest(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("write `{0}`: a pattern is matched against canonical paths")]
    NotCanonical(String),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("`{0}` mixes text and braces: a parameter is a whole segment, as in `/members/{{id}}`")]
    Mixed(String),
    #[error("`{0}` is not a parameter name: a letter first, then letters, digits or `_`")]
    Name(String),
    #[error("the parameter `{0}` is there twice")]
    Twice(String),
    #[error("`{{{0}*}}` takes all that remains, so it must be the last segment")]
    RestNotLast(String),
}

impl PathPattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let segments = rest
            .split('/')
            .map(Segment::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let pattern = Self { segments };
        pattern.check_names()?;
        pattern.check_literals(text)?;
        Ok(pattern)
    }

    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether every path of this pattern lies under `prefix`, compared by whole segments.
    #[must_use]
    pub fn lies_under(&self, prefix: &str) -> bool {
        let Some(prefix) = prefix.strip_prefix('/') else {
            return false;
        };
        let mut segments = self.segments.iter();
        prefix
            .split('/')
            .all(|wanted| matches!(segments.next(), Some(Segment::Literal(text)) if text == wanted))
    }

    /// A path that matches, for somebody who wants to try the route.
    #[must_use]
    pub fn example(&self) -> String {
        let segments = self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Param(_) => Some("7"),
            Segment::Rest(_) => None,
        });
        segments.fold(String::new(), |path, segment| path + "/" + segment)
    }

    fn check_names(&self) -> Result<(), PatternError> {
        let mut seen: Vec<&str> = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let name = match segment {
                Segment::Literal(_) => continue,
                Segment::Param(name) => name,
                Segment::Rest(name) if index + 1 < self.segments.len() => {
                    return Err(PatternError::RestNotLast(name.clone()));
                }
                Segment::Rest(name) => name,
            };
            if seen.contains(&name.as_str()) {
                return Err(PatternError::Twice(name.clone()));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn check_literals(&self, text: &str) -> Result<(), PatternError> {
        let spelled = respell(text)?;
        if spelled == text {
            Ok(())
        } else {
            Err(PatternError::NotCanonical(spelled))
        }
    }
}

/// The pattern as it should have been written. Each parameter is stood in for by a segment that is
/// canonical, and takes its place again afterwards.
fn respell(text: &str) -> Result<String, PathError> {
    let mut parameters = Vec::new();
    let mut path = String::new();
    for segment in text.split('/').skip(1) {
        path.push('/');
        if segment.starts_with('{') {
            path.push_str(&stand_in(parameters.len()));
            parameters.push(segment);
        } else {
            path.push_str(segment);
        }
    }
    let mut spelled = canonical(&path)?.into_owned();
    for (place, parameter) in parameters.iter().enumerate() {
        spelled = spelled.replacen(&stand_in(place), parameter, 1);
    }
    Ok(spelled)
}

fn stand_in(place: usize) -> String {
    format!("~{place}~")
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.contains(['{', '}']) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let inner = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or_else(|| PatternError::Mixed(text.to_owned()))?;
        match inner.strip_suffix('*') {
            Some(name) => parse_name(name).map(Self::Rest),
            None => parse_name(inner).map(Self::Param),
        }
    }
}

fn parse_name(name: &str) -> Result<String, PatternError> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if starts_well && is_word {
        Ok(name.to_owned())
    } else {
        Err(PatternError::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_literals_parameters_and_one_rest() {
        let pattern = PathPattern::parse("/members/{memberId}/files/{rest*}").unwrap();
        assert_eq!(
            pattern.segments(),
            [
                Segment::Literal("members".into()),
                Segment::Param("memberId".into()),
                Segment::Literal("files".into()),
                Segment::Rest("rest".into()),
            ]
        );
    }

    #[test]
    fn a_pattern_that_could_never_match_is_refused() {
        #[rustfmt::skip]
        let cases = [
            ("members",          PatternError::Path(PathError::NotAbsolute)),
            ("/a//b",            PatternError::Path(PathError::EmptySegment)),
            ("/a%2fb",           PatternError::Path(PathError::EncodedSeparator)),
            ("/a/./b",           PatternError::NotCanonical("/a/b".into())),
            ("/a/../{id}/%7e",   PatternError::NotCanonical("/{id}/~".into())),
            ("/%61/{id}",        PatternError::NotCanonical("/a/{id}".into())),
            ("/x{id}",           PatternError::Mixed("x{id}".into())),
            ("/{id}.json",       PatternError::Mixed("{id}.json".into())),
            ("/{}",              PatternError::Name(String::new())),
            ("/{1}",             PatternError::Name("1".into())),
            ("/{a-b}",           PatternError::Name("a-b".into())),
            ("/{a}/{a}",         PatternError::Twice("a".into())),
            ("/{a*}/b",          PatternError::RestNotLast("a".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_example_matches_its_pattern() {
        #[rustfmt::skip]
        let cases = [
            ("/members/{id}/accounts",  "/members/7/accounts"),
            ("/money/{rest*}",          "/money"),
            ("/",                       "/"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(PathPattern::parse(pattern).unwrap().example(), expected);
        }
    }

    #[test]
    fn a_prefix_counts_only_by_whole_segments() {
        #[rustfmt::skip]
        let cases = [
            ("/money/transfers",   "/money",            true),
            ("/money/{rest*}",     "/money",            true),
            ("/money/transfers",   "/money/transfers",  true),
            ("/moneybags/x",       "/money",            false),
            ("/{service}/x",       "/money",            false),
            ("/money",             "/money/x",          false),
            ("/money/x",           "money",             false),
        ];
        for (pattern, prefix, expected) in cases {
            let pattern = PathPattern::parse(pattern).unwrap();
            assert_eq!(pattern.lies_under(prefix), expected, "{pattern:?} {prefix}");
        }
    }
}
