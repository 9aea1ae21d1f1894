//! Does every relative link in a document lead to a file or folder of the repository?

use super::Finding;
use super::markdown;

pub(super) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in markdown::lines(text).filter(|line| !line.is_fenced) {
        for target in markdown::link_targets(line.text) {
            if is_relative(target) && !resolve(path, target).is_some_and(|file| exists(&file)) {
                let message = format!("the link to {target} leads nowhere");
                findings.push(Finding::new(path, line.number, message));
            }
        }
    }
    findings
}

fn is_relative(target: &str) -> bool {
    !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#')
}

/// The path from the root of the repository; `None` where it would leave it.
pub(super) fn resolve(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    let target = target.split('#').next().unwrap_or(target);
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn a_link_is_followed_from_the_folder_of_its_document() {
    let exists = |path: &str| ["README.md", "docs", "docs/a.md"].contains(&path);
    let cases = [
        ("README.md", "[x](docs/a.md#part)", 0),
        ("README.md", "[x](./docs/)", 0),
        ("docs/a.md", "[x](../README.md) [y](a.md)", 0),
        ("docs/a.md", "[x](README.md)", 1),
        ("docs/a.md", "[x](../../README.md)", 1),
        ("README.md", "[x](/README.md)", 1),
        ("README.md", "[x](gone.md) [y](gone.svg)", 2),
        (
            "README.md",
            "[x](https://example.org/a) [y](#part) [z](mailto:a@b.c)",
            0,
        ),
        ("README.md", "```\n[x](gone.md)\n```", 0),
    ];
    for (path, text, count) in cases {
        assert_eq!(check(path, text, exists).len(), count, "{path}: {text}");
    }
}
