//! Does every path that a document of the architecture names exist, and can the map be read at once?
//!
//! A path is named in backticks, from the root of the repository (`gateway/core`), or as the first
//! word of a line in a fenced block under a heading with the word "map", where a line that is
//! indented further lies in the folder above it.

use super::Finding;
use super::markdown::{self, Line};

/// Past this nobody reads a map before the code.
const MAP_LINES_MAX: usize = 250;

const EXTENSIONS: &[&str] = &[
    ".json", ".lock", ".md", ".rs", ".sh", ".svg", ".toml", ".yaml",
];

/// What has a slash and is no path.
const MEDIA_TYPES: &[&str] = &["application/", "image/", "multipart/", "text/"];

pub(super) fn check_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    let message =
        format!("has {lines} lines, of at most {MAP_LINES_MAX}: move detail to the modules");
    let finding = Finding::new(path, lines, message);
    Vec::from_iter((lines > MAP_LINES_MAX).then_some(finding))
}

pub(super) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut folders = Vec::new();
    for line in markdown::lines(text) {
        let named: Vec<String> = if !line.is_fenced {
            let spans = markdown::code_spans(line.text);
            spans
                .filter(|span| is_path(span))
                .map(str::to_owned)
                .collect()
        } else if is_in_map(&line) {
            entry(line.text, &mut folders).into_iter().collect()
        } else {
            Vec::new()
        };
        for gone in named.iter().filter(|named| !exists(named)) {
            let message = format!("there is no {gone}");
            findings.push(Finding::new(path, line.number, message));
        }
    }
    findings
}

fn is_in_map(line: &Line<'_>) -> bool {
    line.heading
        .split_whitespace()
        .any(|word| word.eq_ignore_ascii_case("map"))
}

fn is_path(span: &str) -> bool {
    let is_plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
    let is_media_type = MEDIA_TYPES.iter().any(|kind| span.starts_with(kind));
    let is_file = EXTENSIONS
        .iter()
        .any(|extension| span.len() > extension.len() && span.ends_with(extension));
    is_plain && !is_media_type && !span.starts_with('/') && (span.contains('/') || is_file)
}

/// The path that a line of the map stands for; `folders` holds indent and path of those above it.
fn entry(text: &str, folders: &mut Vec<(usize, String)>) -> Option<String> {
    let name = text.split_whitespace().next()?;
    if !is_path(name) {
        return None;
    }
    let indent = text.len() - text.trim_start().len();
    folders.retain(|(above, _)| *above < indent);
    let folder = folders.last().map_or("", |(_, path)| path.as_str());
    let path = format!("{folder}{name}");
    if name.ends_with('/') {
        folders.push((indent, path.clone()));
    }
    Some(path)
}

#[test]
fn a_map_has_room_for_so_many_lines_and_not_one_more() {
    let lines = |count: usize| check_length("a.md", &"line\n".repeat(count)).len();
    assert_eq!((lines(MAP_LINES_MAX), lines(MAP_LINES_MAX + 1)), (0, 1));
}

#[test]
fn a_path_in_backticks_has_to_exist() {
    let exists = |path: &str| ["gateway/core", "deny.toml"].contains(&path);
    let cases = [
        ("see `gateway/core` and `deny.toml`", 0),
        ("see `gateway/cor`", 1),
        ("see `gateway/core` and `gone.rs`, `gone/`", 2),
        (
            "`Snapshot`, `/livez`, `application/json`, `GET /a/{b}`, `*.rs`, `.rs`",
            0,
        ),
        ("see gateway/cor", 0),
        ("```\ngateway/cor\n```", 0),
    ];
    for (text, count) in cases {
        assert_eq!(check("a.md", text, exists).len(), count, "{text}");
    }
}

#[test]
fn a_line_of_the_map_lies_in_the_folder_above_it() {
    let map = "## Code map\n```\n\
        config/           the one file\n\
        \x20 src/           its types\n\
        \x20   lib.rs\n\
        \x20 examples/      one per need\n\
        \x20                and prose that goes on\n\
        gateway/core      decisions\n```\n";
    let all = [
        "config/",
        "config/src/",
        "config/src/lib.rs",
        "config/examples/",
        "gateway/core",
    ];
    assert_eq!(check("a.md", map, |path| all.contains(&path)), []);
    for gone in all {
        let findings = check("a.md", map, |path| path != gone && all.contains(&path));
        assert_eq!(findings.len(), 1, "{gone}");
        assert!(findings[0].message.ends_with(gone), "{findings:?}");
    }
}
