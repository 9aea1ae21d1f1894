//! Until when will a route be there? Told in every answer of its service: RFC 9745 and RFC 8594.

use gateway_core::fields::FieldRules;
use http::{HeaderName, HeaderValue};

use crate::reader::{Located, Reading};
use crate::units::Date;
use crate::written::Route;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Adds what the dates of a route say to its rules for answers.
pub(super) fn compile(route: &Route, rules: &mut FieldRules, reading: Reading<'_>) {
    if let Some(date) = route.deprecated.given() {
        let text = format!("@{}", date.value.unix_seconds());
        tell(DEPRECATION, &text, date, rules, reading);
    }
    if let Some(date) = route.sunset.given() {
        tell(SUNSET, &date.value.http(), date, rules, reading);
    }
    if let (Some(deprecated), Some(sunset)) = (route.deprecated.given(), route.sunset.given())
        && sunset.value < deprecated.value
    {
        let finding = reading.find(sunset.node, "a route cannot end before it is deprecated");
        let other = reading.span(deprecated.node);
        reading
            .report
            .add(finding.other(other, "deprecated from then on"));
    }
}

fn tell(
    name: HeaderName,
    text: &str,
    date: &Located<Date>,
    rules: &mut FieldRules,
    reading: Reading<'_>,
) {
    let is_ruled = rules.is_dropped(name.as_str()) || rules.add.iter().any(|(it, _)| *it == name);
    if is_ruled {
        let message = format!("`response_headers` has a rule for `{name}`, which this sets");
        let finding = reading.find(date.node, message);
        reading.report.add(finding.note("keep one of them"));
    }
    // Digits, words and punctuation are always a value.
    rules
        .set
        .extend(HeaderValue::from_str(text).ok().map(|value| (name, value)));
}
