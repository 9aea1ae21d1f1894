//! The parts of a Markdown document that rules ask about: lines, headings, fences, code spans.

#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// The heading it stands under; empty before the first.
    pub(super) heading: &'a str,
    /// Whether it is inside a fenced block, or opens or closes one.
    pub(super) is_fenced: bool,
}

pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut heading = "";
    let mut is_open = false;
    text.lines().zip(1..).map(move |(text, number)| {
        let is_fence = text.trim_start().starts_with("```");
        if !is_open && text.starts_with('#') {
            heading = text.trim_start_matches('#').trim();
        }
        let is_fenced = is_open || is_fence;
        is_open ^= is_fence;
        Line {
            number,
            text,
            heading,
            is_fenced,
        }
    })
}

/// What stands between backticks.
pub(super) fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The targets of `[text](target)`, outside code spans.
pub(super) fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').step_by(2).flat_map(|prose| {
        prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
    })
}

#[test]
fn headings_and_fences_are_tracked_line_by_line() {
    let text = "# A\nb\n```sh\n# not a heading\n```\n## C\nd";
    let found: Vec<_> = lines(text)
        .map(|line| (line.number, line.heading, line.is_fenced))
        .collect();
    let expected = [
        (1, "A", false),
        (2, "A", false),
        (3, "A", true),
        (4, "A", true),
        (5, "A", true),
        (6, "C", false),
        (7, "C", false),
    ];
    assert_eq!(found, expected);
}

#[test]
fn links_are_found_outside_code_spans_only() {
    let text = "[a](b.md) and ![c](d.svg \"title\"), not `[e](f)`, but [`g`](h#i)";
    let found: Vec<_> = link_targets(text).collect();
    assert_eq!(found, ["b.md", "d.svg", "h#i"]);
    assert_eq!(code_spans(text).collect::<Vec<_>>(), ["[e](f)", "g"]);
}
