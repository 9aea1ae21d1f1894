//! What the YAML parser complains of, in the words of somebody who edits a file.

use crate::report::Finding;
use crate::source::{Source, Span};

/// What the parser says, what it means, what to do. The first entry that is found counts.
///
/// The parser has no codes for its complaints, only sentences. The corpus of broken files holds each
/// entry that matters, so a parser that finds other words is noticed.
#[rustfmt::skip]
const PLAIN_WORDS: &[(&str, &str, &str)] = &[
    ("unknown anchor",
        "this alias names an anchor that is not defined above it", "define it first, as in `&name value`, or quote text that starts with `*`"),
    ("flow mapping, did not find expected ',' or '}'",
        "`{` is not closed, or a comma is missing",
        "inside { }, separate with commas and quote text that has any of , { } [ ]"),
    ("flow sequence, expected ',' or ']'",
        "`[` is not closed, or a comma is missing",
        "inside [ ], separate with commas and quote text that has any of , { } [ ]"),
    ("block list, did not find expected",
        "this does not line up with the list above it", "lines of one list start with `- ` in one column"),
    ("block mapping, did not find expected key",
        "this does not line up with the keys above it", "keys of one map start in one column"),
    ("block collection, did not find expected '-'",
        "this does not line up with the list above it", "lines of one list start with `- ` in one column"),
    ("mapping values are not allowed",
        "a `:` is not allowed here", "text that has `: ` in it needs quotes"),
    ("simple key expect",
        "a `:` is missing after this key", "write it as `key: value`"),
    ("illegal placement of ':'",
        "a `:` is not allowed here", "quote text that has a `: ` in it"),
    ("':' must be followed by",
        "a space is missing after `:`", "write it as `key: value`"),
    ("':' may not precede",
        "a space is missing after `:`", "write it as `key: value`"),
    ("end of stream",
        "a quote is never closed", "it opens here"),
    ("invalid trailing content after double-quoted",
        "there is text after a closing quote", "quote the whole value, or close the quote that opens above"),
    ("unknown escape",
        "this escape is not known inside double quotes", "write `\\\\` for a backslash, or use single quotes"),
    ("hexadecimal number",
        "this escape has digits that are not hexadecimal", ""),
    ("Unicode character escape",
        "this escape is not a character", ""),
    ("tab",
        "a tab cannot indent", "use spaces"),
    ("unexpected character",
        "a value cannot start with this character", "quote it"),
    ("block sequence entries are not allowed",
        "a list item cannot start here", "put `- ` on a line of its own below the key"),
    ("only valid inside a block",
        "`- ` cannot stand inside [ ] or { }", "separate with commas instead"),
    ("'-' must be followed by",
        "a space is missing after `-`", "write it as `- value`"),
    ("cannot start with '-'",
        "a space is missing after `-`", "write it as `- value`"),
    ("quoted scalar, found unexpected document",
        "a quote is never closed", ""),
    ("recursion limit",
        "lists and maps are nested too deeply", ""),
    ("block scalar",
        "the text block after `|` or `>` is malformed", "indent its lines evenly"),
    ("indentation",
        "the indentation does not fit what stands above", "keys of one map start in one column"),
    ("expected node content",
        "a value is missing or malformed here", "quote it if it has any of , { } [ ]"),
    ("anchor",
        "this anchor or alias has no name", "quote text that starts with `&` or `*`"),
    ("directive",
        "`%` directives are not used here", "remove the line, or quote text that starts with `%`"),
    ("tag",
        "`!` tags are not used here", "quote text that starts with `!`"),
    ("unexpected end of plain scalar",
        "a value is missing or malformed here", "quote it if it has any of , { } [ ]"),
    ("mapping keys are not allowed",
        "a `?` key is not allowed here", "quote text that starts with `? `"),
    ("document",
        "a second document is not allowed", "one file holds one document: remove `---` and `...`"),
];

/// Where the parser stood when it gave up.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) byte: usize,
    /// The last scalar that was complete.
    pub(super) last: Option<Span>,
    /// The start of the innermost list or map that is not closed.
    pub(super) open: Option<usize>,
}

/// The finding for a complaint of the parser.
pub(super) fn finding(complaint: &str, stand: &Stand, source: &Source) -> Finding {
    let span = blamed(stand.byte, source);
    if is_open_variable(span.start, source) {
        return Finding::at(span, "`${` is taken for a map here")
            .note("inside { } and [ ], put quotes around it: \"${NAME}\"");
    }
    if complaint.contains("mapping values are not allowed")
        && let Some(finding) = stand
            .last
            .as_ref()
            .and_then(|last| run_on(last, stand, source))
    {
        return finding;
    }
    let is_item = source
        .text()
        .get(span.start..)
        .is_some_and(|rest| rest.starts_with("- "));
    let complaint = if is_item {
        complaint.replace("block mapping", "block list")
    } else {
        complaint.to_owned()
    };
    let known = PLAIN_WORDS
        .iter()
        .find(|(words, ..)| complaint.contains(words));
    let finding = match known {
        Some((_, message, note)) => Finding::at(span, *message).note(*note),
        None => Finding::at(span, "this is not YAML").note(complaint.as_str()),
    };
    match stand.open.filter(|_| complaint.contains("flow")) {
        Some(open) => finding.other(open..open + 1, "it opens here"),
        None => finding,
    }
}

/// A plain scalar runs on over lines that are indented further than its key. Where it swallowed a
/// key that way, the line that lets it is to blame rather than the `:` the parser stumbles over.
fn run_on(last: &Span, stand: &Stand, source: &Source) -> Option<Finding> {
    let text = source.slice(last);
    let (first, _) = text.split_once('\n')?;
    let (_, swallowed) = text.rsplit_once('\n')?;
    if !source.slice(&(last.end..stand.byte)).trim().is_empty() {
        return None;
    }
    let line = source.line_around(last.start);
    let before = source.slice(&(line.start..last.start));
    let first_span = last.start..last.start + first.trim_end().len();
    if before.trim_start_matches([' ', '-']).is_empty() {
        let finding = Finding::at(
            first_span,
            "expected a key and its value, as in `key: value`",
        );
        return Some(match first.contains(':') {
            true => finding.note("a space is missing after the `:`"),
            false => finding.note("the `:` is missing"),
        });
    }
    let swallowed = last.end - swallowed.trim_start().len()..last.end;
    Some(
        Finding::at(swallowed, "this does not line up with the keys above it")
            .note("so it is read as more of the value above")
            .other(first_span, "this value"),
    )
}

/// One character, moved back to the end of the text where the parser only noticed at the end.
fn blamed(byte: usize, source: &Source) -> Span {
    let text = source.text();
    let rest = text.get(byte..).unwrap_or_default();
    let first = rest.chars().next();
    match first {
        Some(c) if !rest.trim_start().is_empty() => byte..byte + c.len_utf8(),
        Some(_) | None => {
            let end = text.trim_end().len();
            let last = text.get(..end).and_then(|text| text.chars().next_back());
            end - last.map_or(0, char::len_utf8)..end
        }
    }
}

/// Whether YAML took the brace of a `${` for the start of a map.
fn is_open_variable(byte: usize, source: &Source) -> bool {
    let text = source.text();
    let (before, rest) = (text.get(..byte), text.get(byte..));
    before.is_some_and(|before| before.ends_with('$'))
        && rest.is_some_and(|rest| rest.starts_with('{'))
}
