//! How does the path change on its way to the service?

use gateway_core::path::{PathPattern, canonical};
use gateway_core::route::Rewrite;

use crate::reader::{Located, Reading};
use crate::report::Finding;
use crate::units::Text;
use crate::written::Route;

/// `path` is absent where the match of the route was refused already.
pub(super) fn compile(route: &Route, path: Option<&PathPattern>, reading: Reading<'_>) -> Rewrite {
    let strip = route
        .strip
        .given()
        .filter(|strip| check_prefix("strip", strip, reading));
    if let (Some(strip), Some(path)) = (strip, path)
        && !path.lies_under(&strip.value.0)
    {
        let finding = reading
            .find(
                strip.node,
                "expected whole segments that every path of the match starts with",
            )
            .note("only literal segments can be stripped");
        reading.report.add(match route.matches.given() {
            Some(matches) => finding.other(reading.span(matches.node), "the match"),
            None => finding,
        });
    }
    let add = route
        .add
        .given()
        .filter(|add| check_prefix("add", add, reading));
    let text = |prefix: Option<&Located<Text>>| prefix.map(|text| text.value.0.clone());
    Rewrite {
        strip: text(strip).unwrap_or_default(),
        add: text(add).unwrap_or_default(),
    }
}

/// A prefix is one or more whole segments, spelled as they are matched.
fn check_prefix(key: &str, prefix: &Located<Text>, reading: Reading<'_>) -> bool {
    let text = prefix.value.0.as_str();
    let note = if !text.starts_with('/') {
        "it starts with `/`".to_owned()
    } else if text == "/" {
        format!("leave `{key}` out to change nothing")
    } else if text.ends_with('/') {
        "leave out the slash at the end".to_owned()
    } else if text.contains(['{', '}']) {
        "parameters cannot be used here".to_owned()
    } else {
        match canonical(text) {
            Ok(path) if path == text => return true,
            Ok(path) => format!("write `{path}`"),
            Err(error) => error.to_string(),
        }
    };
    let finding = Finding::at(
        reading.span(prefix.node),
        "expected a prefix such as `/money`",
    );
    reading
        .report
        .add(finding.note(reading.note_on(prefix.node, note)));
    false
}
