//! Does each module that leads others say what it answers, and each open task why it is open?

use super::Finding;
use super::source::{self, Source};

/// Spelled in two halves, so that this file does not speak of a task itself.
const TASK_WORDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Crate roots and modules with a folder of their own open with `//!`.
pub(super) fn check_module_docs(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let stem = source.path.strip_suffix(".rs").unwrap_or(&source.path);
    let is_root = ["lib", "main"]
        .iter()
        .any(|root| stem == *root || stem.ends_with(&format!("/{root}")));
    let is_leader = is_root || exists(&source::folder_of(&source.path));
    let text = source.comments.trim_start();
    let has_docs = text.starts_with("//!")
        && source.code.trim_start().len() < text.len()
        && text
            .lines()
            .next()
            .is_some_and(|line| line.len() > "//! .".len());
    if is_leader && !has_docs {
        let message = "opens without a `//!` that says which question it answers";
        return vec![Finding::new(&source.path, 1, message)];
    }
    Vec::new()
}

/// A task left open reads `WORD(why it is open): what is to be done`.
pub(super) fn check_open_tasks(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let bare = source::words(line)
            .find(|(at, word)| TASK_WORDS.contains(word) && !has_reason(&line[at + word.len()..]));
        if let Some((_, word)) = bare {
            let message = format!("`{word}` without a reason in parentheses");
            findings.push(Finding::new(path, number, message));
        }
    }
    findings
}

fn has_reason(rest: &str) -> bool {
    rest.strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(reason, _)| !reason.trim().is_empty())
}

#[test]
fn crate_roots_and_owners_of_folders_need_their_docs() {
    let has_folder = |path: &str| path == "gateway/core/src/route/";
    let cases = [
        (
            "gateway/core/src/lib.rs",
            "//! What the gateway decides.\nmod route;",
            0,
        ),
        ("gateway/core/src/lib.rs", "mod route;\n//! Too late.", 1),
        ("gateway/core/src/lib.rs", "//! .\nmod route;", 1),
        ("src/main.rs", "// The verbs.\nfn main() {}", 1),
        ("gateway/core/src/route.rs", "/// Outer.\nmod table;", 1),
        (
            "gateway/core/src/route.rs",
            "//! Which route is meant?\nmod table;",
            0,
        ),
        ("gateway/core/src/path.rs", "fn canonical() {}", 0),
    ];
    for (path, text, count) in cases {
        let source = Source::parse(path, text);
        let findings = check_module_docs(&source, has_folder);
        assert_eq!(findings.len(), count, "{path}: {text}");
    }
}

#[test]
fn an_open_task_without_a_reason_is_found() {
    for word in TASK_WORDS {
        let cases = [
            (format!("// {word}: later"), 1),
            (format!("# {word}"), 1),
            (format!("// {word}(): later"), 1),
            (format!("// {word}(needs h2 in the pool): later"), 0),
            (format!("// MY{word}S"), 0),
        ];
        for (text, count) in cases {
            assert_eq!(check_open_tasks("src/lib.rs", &text).len(), count, "{text}");
        }
    }
}
