//! The requests that an endpoint takes: `GET /members/{memberId}/transfer-history`.

use super::{Fault, Faults};
use crate::declaration::Text;
use crate::expression::is_name;
use crate::plan::{EndpointId, Plan, Segment};

pub(super) fn compile(name: &Text, faults: &mut Faults) -> (Vec<Segment>, Vec<Box<str>>) {
    let text = name.text.as_str();
    let note = "write `GET /members/{memberId}/overview`";
    let path = match text.split_once(' ') {
        Some(("GET", path)) if path.starts_with('/') => path,
        Some(("GET", _)) | None => {
            faults.add(Fault::at(name, "expected `GET` and a path").note(note));
            return Default::default();
        }
        Some((method, _)) => {
            let fault = Fault::at(name, "only `GET` can be composed");
            faults.add(fault.within(0..method.len()).note(note));
            return Default::default();
        }
    };
    let mut segments = Vec::new();
    let mut params: Vec<Box<str>> = Vec::new();
    let mut at = text.len() - path.len() + 1;
    for segment in path.split('/').skip(1) {
        let span = at..at + segment.len();
        at = span.end + 1;
        let param = segment
            .strip_prefix('{')
            .and_then(|it| it.strip_suffix('}'));
        let complaint = match param {
            Some(param) if !is_name(param) => Some("expected a parameter such as `{memberId}`"),
            Some(param) if params.iter().any(|other| **other == *param) => {
                Some("a parameter is there twice")
            }
            None if !is_literal(segment) => Some("this cannot be a segment of the path"),
            Some(_) | None => None,
        };
        if let Some(complaint) = complaint {
            faults.add(Fault::at(name, complaint).within(span).note(note));
        }
        if let Some(param) = param {
            params.push(param.into());
            segments.push(Segment::Param);
        } else {
            segments.push(Segment::Literal(segment.into()));
        }
    }
    (segments, params)
}

fn is_literal(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
    !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_plain)
}

impl Plan {
    /// The endpoint for a canonical path, and its parameters as they stand there. Of two that would
    /// do, the one whose first difference is a literal.
    pub fn route<'p>(&self, path: &'p str) -> Option<(EndpointId, Vec<&'p str>)> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let fits = |pattern: &[Segment]| {
            pattern.len() == segments.len()
                && pattern
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| match part {
                        Segment::Literal(text) => **text == **segment,
                        Segment::Param => !segment.is_empty(),
                    })
        };
        let mut best: Option<usize> = None;
        for (place, endpoint) in self.endpoints.iter().enumerate() {
            let before = best.and_then(|best| self.endpoints.get(best));
            if fits(&endpoint.path) && before.is_none_or(|it| goes_before(&endpoint.path, &it.path))
            {
                best = Some(place);
            }
        }
        let found = best?;
        let pattern = self.endpoints.get(found)?.path.iter();
        let params = pattern
            .zip(segments)
            .filter(|(part, _)| **part == Segment::Param);
        Some((
            EndpointId(found),
            params.map(|(_, segment)| segment).collect(),
        ))
    }
}

fn goes_before(one: &[Segment], other: &[Segment]) -> bool {
    let mut pairs = one.iter().zip(other);
    let first = pairs.find(|(one, other)| one != other);
    first.is_some_and(|(one, _)| matches!(one, Segment::Literal(_)))
}
