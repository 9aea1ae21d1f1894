//! Which requests does a route take? `POST /money/transfers`, and perhaps a host.

use gateway_core::host::HostPattern;
use gateway_core::path::{PathPattern, PatternError, Segment};
use gateway_core::route::Methods;

use crate::nearest;
use crate::reader::{Located, Reading};
use crate::units::Text;

/// The methods of everyday use, in lower case as [`nearest`] wants them.
const USUAL_METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// Why a match is refused and which part of it is to blame.
struct Unfit<'a> {
    part: &'a str,
    note: String,
}

pub(super) fn parse(text: &Located<Text>, reading: Reading<'_>) -> Option<(Methods, PathPattern)> {
    let unfit = match parse_match(&text.value.0) {
        Ok(parsed) => return Some(parsed),
        Err(unfit) => unfit,
    };
    let span = reading.document.find_within(text.node, unfit.part);
    let finding = crate::report::Finding::at(
        span,
        "expected a path, or methods and a path such as `GET /members/{id}`",
    );
    reading
        .report
        .add(finding.note(reading.note_on(text.node, unfit.note)));
    None
}

pub(super) fn parse_host(text: &Located<Text>, reading: Reading<'_>) -> Option<HostPattern> {
    let parsed = HostPattern::parse(&text.value.0);
    let refused = |note: String| {
        let finding = reading.find(text.node, "expected a host such as `pay.example.com`");
        reading
            .report
            .add(finding.note(reading.note_on(text.node, note)));
    };
    parsed.map_err(|error| refused(error.to_string())).ok()
}

fn parse_match(text: &str) -> Result<(Methods, PathPattern), Unfit<'_>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [path] if path.starts_with('/') => Ok((Methods::Any, parse_path(path)?)),
        [methods, path] if path.starts_with('/') => {
            Ok((parse_methods(methods)?, parse_path(path)?))
        }
        [.., path] if path.starts_with('/') => {
            let note = "separate methods with commas and without spaces: `GET,POST /path`";
            Err(Unfit {
                part: text,
                note: note.to_owned(),
            })
        }
        [_, path] if !path.starts_with('/') => Err(Unfit {
            part: path,
            note: "a path starts with `/`".to_owned(),
        }),
        [lone] if lone.contains("://") => {
            let note = "only the path belongs here; the host has a key of its own, `host`";
            Err(Unfit {
                part: text,
                note: note.to_owned(),
            })
        }
        _ => Err(Unfit {
            part: text,
            note: "there is no path that starts with `/`".to_owned(),
        }),
    }
}

fn parse_methods(text: &str) -> Result<Methods, Unfit<'_>> {
    for word in text.split(',') {
        let is_usual = USUAL_METHODS
            .iter()
            .any(|usual| usual.to_ascii_uppercase() == word);
        let meant = nearest::find(word, USUAL_METHODS).filter(|_| !is_usual);
        if let Some(meant) = meant {
            let note = format!("did you mean `{}`?", meant.to_ascii_uppercase());
            return Err(Unfit { part: word, note });
        }
    }
    Methods::parse(text).map_err(|error| Unfit {
        part: text,
        note: error.to_string(),
    })
}

fn parse_path(text: &str) -> Result<PathPattern, Unfit<'_>> {
    let pattern = PathPattern::parse(text).map_err(|error| Unfit {
        part: text,
        note: why_not_a_pattern(text, &error),
    })?;
    match pattern.segments().iter().find_map(foreign_wildcard) {
        Some(note) => Err(Unfit { part: text, note }),
        None => Ok(pattern),
    }
}

fn why_not_a_pattern(text: &str, error: &PatternError) -> String {
    match error {
        PatternError::Path(_) if text.contains('?') => {
            "a path is matched without its query".to_owned()
        }
        PatternError::NotCanonical(_)
        | PatternError::Path(_)
        | PatternError::Mixed(_)
        | PatternError::Name(_)
        | PatternError::Twice(_)
        | PatternError::RestNotLast(_) => error.to_string(),
    }
}

/// What the wildcards of other gateways are called here; taken literally they would match nothing.
fn foreign_wildcard(segment: &Segment) -> Option<String> {
    let Segment::Literal(text) = segment else {
        return None;
    };
    if text.starts_with('*') {
        return Some(format!(
            "write `{{rest*}}` instead of `{text}` for all that remains"
        ));
    }
    let name = text.strip_prefix(':')?;
    Some(format!(
        "write `{{{name}}}` instead of `{text}` for one segment"
    ))
}
