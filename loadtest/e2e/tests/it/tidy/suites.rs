//! Is every test a sentence, does it always run, and does it wait for things rather than sleep?
//!
//! Where time itself is the subject a sleep is right; the line, or the one above it, then says why:
//! `// sleeps: the clock of this runtime is paused`.

use super::Finding;
use super::source::{Source, words};

const NAME_WORDS_MIN: usize = 3;
const SLEEPS: &[&str] = &["sleep", "sleep_until"];
const ALLOWANCE: &str = "// sleeps: ";

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = check_names(source);
    findings.extend(check_ignored(source));
    findings.extend(check_sleeps(source));
    findings
}

fn check_names(source: &Source) -> Vec<Finding> {
    source
        .functions
        .iter()
        .filter(|function| function.is_test)
        .filter(|function| function.name.split('_').count() < NAME_WORDS_MIN)
        .map(|function| {
            let message = format!("`{}` is not a promise as a sentence", function.name);
            Finding::new(&source.path, function.line, message)
        })
        .collect()
}

fn check_ignored(source: &Source) -> Vec<Finding> {
    source
        .code
        .match_indices("#[ignore")
        .map(|(at, _)| {
            let message = "a test that does not run promises nothing";
            Finding::new(&source.path, source.line(at), message)
        })
        .collect()
}

fn check_sleeps(source: &Source) -> Vec<Finding> {
    words(&source.code)
        .filter(|(_, word)| SLEEPS.contains(word))
        .filter(|(at, word)| source.code[at + word.len()..].starts_with('('))
        .filter(|(at, _)| source.is_in_tests(*at))
        .map(|(at, _)| source.line(at))
        .filter(|line| !is_allowed(source, *line))
        .map(|line| {
            let message = format!("a test sleeps: wait for the thing, or say `{ALLOWANCE}why`");
            Finding::new(&source.path, line, message)
        })
        .collect()
}

fn is_allowed(source: &Source, line: usize) -> bool {
    let above = line.saturating_sub(2);
    let mut comments = source.comments.lines().skip(above).take(line - above);
    comments.any(|comment| {
        comment
            .split_once(ALLOWANCE)
            .is_some_and(|(_, reason)| !reason.trim().is_empty())
    })
}

#[test]
fn a_test_that_is_no_sentence_or_never_runs_is_found() {
    let cases = [
        ("#[test]\nfn an_empty_list_is_allowed() {}", 0),
        ("#[test]\nfn it_works() {}", 1),
        (
            "#[tokio::test(start_paused = true)]\nasync fn works() {}",
            1,
        ),
        ("fn it_works() {}", 0),
        ("#[test]\n#[ignore]\nfn an_empty_list_is_allowed() {}", 1),
        (
            "#[test]\n#[ignore = \"slow\"]\nfn an_empty_list_is_allowed() {}",
            1,
        ),
        ("// #[ignore]", 0),
    ];
    for (text, count) in cases {
        let source = Source::parse("pay/tests/it/main.rs", text);
        assert_eq!(check(&source).len(), count, "{text}");
    }
}

#[test]
fn a_sleep_needs_its_reason_in_tests_only() {
    let cases = [
        ("thread::sleep(a);", 1),
        ("tokio::time::sleep_until(a).await;", 1),
        (
            "thread::sleep(a); // sleeps: the file system has no finer clock",
            0,
        ),
        ("// sleeps: the clock is paused\nsleep(a).await;", 0),
        ("// sleeps: too far above\n\nsleep(a).await;", 1),
        ("// sleeps: \nsleep(a).await;", 1),
        ("asleep(a); let sleep = 1; // sleep(a)", 0),
    ];
    for (text, count) in cases {
        let suite = Source::parse("pay/tests/it/main.rs", text);
        assert_eq!(check(&suite).len(), count, "{text}");
        let server = Source::parse("pay/src/lib.rs", text);
        assert_eq!(check(&server).len(), 0, "{text}");
    }
}
