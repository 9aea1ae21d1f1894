//! Does a file name the machine it was written on, or where that machine fetched its packages?

use super::Finding;

/// This file spells the words out.
const ITSELF: &str = "loadtest/e2e/tests/it/tidy/words.rs";

const MACHINE: &str = "a path of one machine: nobody else has it";
const MIRROR: &str = "where packages are fetched from is the affair of whoever builds";
const MERGE: &str = "a merge was left half done";

const WORDS: &[(&str, &str)] = &[
    ("/home/", MACHINE),
    ("/root/", MACHINE),
    ("/Users/", MACHINE),
    ("/work/", MACHINE),
    ("/workspace/", MACHINE),
    ("C:\\", MACHINE),
    ("--extra-index-url", MIRROR),
    ("--find-links", MIRROR),
    ("--index-url", MIRROR),
    ("[source.", MIRROR),
    ("artifactory", MIRROR),
    ("replace-with", MIRROR),
    ("sparse+", MIRROR),
    ("<<<<<<< ", MERGE),
    (">>>>>>> ", MERGE),
];

const LOCKFILE: &str = "Cargo.lock";
const NPM_LOCKFILE: &str = "package-lock.json";
const CRATES_IO: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if path == ITSELF {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if let Some((word, reason)) = WORDS.iter().find(|(word, _)| names(line, word)) {
            findings.push(Finding::new(path, number, format!("`{word}`: {reason}")));
        }
        if path == LOCKFILE && line.starts_with("source = ") && line != CRATES_IO {
            findings.push(Finding::new(path, number, MIRROR));
        }
        if path.ends_with(NPM_LOCKFILE) && line.contains("\"resolved\":") {
            findings.push(Finding::new(path, number, MIRROR));
        }
    }
    findings
}

/// A path counts only where it starts: `/home/` is not named by `https://example.org/home/`.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !word.starts_with('/')
            || !before.is_some_and(|c| c.is_ascii_alphanumeric() || "._-/})>*".contains(c))
    })
}

#[test]
fn each_word_is_found_in_any_file() {
    for (word, _) in WORDS {
        for path in ["README.md", "src/main.rs", "dev"] {
            assert_eq!(
                check(path, &format!("see {word}a")).len(),
                1,
                "{path}: {word}"
            );
        }
    }
    for line in [
        "GET https://example.org/home/a",
        "{base}/home/",
        "homework/",
    ] {
        assert_eq!(check("README.md", line), [], "{line}");
    }
}

#[test]
fn a_lockfile_names_no_registry_but_crates_io() {
    let cases = [
        (CRATES_IO.to_owned(), 0),
        (CRATES_IO.replace("github.com", "example.org"), 1),
        ("source = \"git+https://example.org/a\"".to_owned(), 1),
    ];
    for (line, count) in cases {
        assert_eq!(check(LOCKFILE, &line).len(), count, "{line}");
        assert_eq!(check("docs/lock.md", &line).len(), 0, "{line}");
    }
    let npm = "\"resolved\": \"https://registry.example/a.tgz\",";
    for (path, count) in [("a/package-lock.json", 1), ("a/package.json", 0)] {
        assert_eq!(check(path, npm).len(), count, "{path}");
    }
}
