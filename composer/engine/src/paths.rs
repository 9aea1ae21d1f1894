//! Which endpoint does a path belong to?
//!
//! A path is compared as it was sent, segment by segment; what is encoded in it is no separator. Where
//! two endpoints fit, the one that is literal further left is meant, as for routes.

use composer_core::Plan;
use composer_core::plan::{Endpoint, EndpointId, Segment};

/// The endpoint of a path, and the parameters in it as they were sent.
#[must_use]
pub fn find<'p>(plan: &Plan, path: &'p str) -> Option<(EndpointId, Vec<&'p str>)> {
    let sent: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    let fitting = plan
        .endpoints
        .iter()
        .enumerate()
        .filter_map(|(place, endpoint)| {
            let params = fit(&endpoint.path, &sent)?;
            let literal: Vec<_> = endpoint.path.iter().map(is_literal).collect();
            Some((literal, EndpointId(place), params))
        });
    let best = fitting.max_by(|(one, ..), (other, ..)| one.cmp(other));
    best.map(|(_, endpoint, params)| (endpoint, params))
}

/// The parameters of a path that belongs to this endpoint, in order and as they were sent.
#[must_use]
pub fn params<'p>(endpoint: &Endpoint, path: &'p str) -> Option<Vec<&'p str>> {
    let sent: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    fit(&endpoint.path, &sent)
}

fn is_literal(segment: &Segment) -> bool {
    matches!(segment, Segment::Literal(_))
}

fn fit<'p>(declared: &[Segment], sent: &[&'p str]) -> Option<Vec<&'p str>> {
    if declared.len() != sent.len() {
        return None;
    }
    let mut params = Vec::new();
    for (segment, sent) in declared.iter().zip(sent) {
        match segment {
            Segment::Literal(text) if **text == **sent => {}
            Segment::Literal(_) => return None,
            Segment::Param => params.push(*sent),
        }
    }
    Some(params)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use composer_core::declaration::{Declaration, Endpoint, Place, Target, Text};

    use super::*;

    fn plan(paths: &[&str]) -> Plan {
        let text = |text: &str| Text {
            text: text.to_owned(),
            ..Text::default()
        };
        let endpoint = |path: &&str| Endpoint {
            name: text(&format!("GET {path}")),
            budget: Duration::from_secs(1),
            calls_max: 20,
            steps: Vec::new(),
            answer: vec![(text("given"), Target::Value(text("query.given")))],
            answer_place: Place::default(),
        };
        let declaration = Declaration {
            endpoints: paths.iter().map(endpoint).collect(),
            ..Declaration::default()
        };
        composer_core::compile(&declaration).unwrap()
    }

    #[test]
    fn a_path_belongs_to_the_endpoint_that_is_literal_further_left() {
        let plan = plan(&[
            "/members/{id}/history",
            "/members/me/history",
            "/{kind}/7/history",
            "/members",
        ]);
        let cases: [(_, Option<(_, &[_])>); 9] = [
            ("/members/7/history", Some((0, &["7"]))),
            ("/members/me/history", Some((1, &[]))),
            ("/others/7/history", Some((2, &["others"]))),
            ("/members/a%2Fb/history", Some((0, &["a%2Fb"]))),
            ("/members", Some((3, &[]))),
            ("/members/", None),
            ("/members/7/history/", None),
            ("/", None),
            ("members", None),
        ];
        for (path, expected) in cases {
            let found = find(&plan, path);
            let found = found.as_ref().map(|(id, params)| (id.0, params.as_slice()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
