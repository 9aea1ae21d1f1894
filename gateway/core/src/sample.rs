//! A route for tests: it takes all that is asked under a path, from anybody, and changes nothing.

use std::sync::Arc;

use crate::fields::FieldRules;
use crate::host::HostPattern;
use crate::level::Level;
use crate::path::PathPattern;
use crate::route::{Destination, Matches, Methods, Rewrite, Route};
use crate::share::Shares;

pub(crate) fn route(path: &str) -> Route {
    Route {
        name: Arc::from("r"),
        level: Level::Open,
        class: None,
        admission: None,
        matches: Matches {
            host: HostPattern::Any,
            methods: Methods::Any,
            path: PathPattern::parse(path).unwrap(),
            conditions: Vec::new(),
            query: Vec::new(),
        },
        to: Destination::Services(Shares::one(Arc::from("s"))),
        rewrite: Rewrite::default(),
        request_fields: FieldRules::default(),
        response_fields: FieldRules::default(),
        body_bytes_max: 0,
        timeout: None,
        may_upgrade: false,
    }
}
