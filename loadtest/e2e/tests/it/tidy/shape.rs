//! Is every file and function short and flat enough to be read at once? Tests may be longer.

use super::Finding;
use super::source::{Function, Source};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const PARAMETERS_MAX: usize = 5;
const NESTING_MAX: usize = 3;

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.lines();
    if lines > FILE_LINES_MAX {
        let message = format!("{lines} lines without tests, at most {FILE_LINES_MAX}");
        findings.push(Finding::new(&source.path, 1, message));
    }
    for function in source
        .functions
        .iter()
        .filter(|function| !source.is_in_tests(function.at))
    {
        findings.extend(check_function(&source.path, function));
    }
    findings
}

fn check_function(path: &str, function: &Function) -> impl Iterator<Item = Finding> {
    let parameters_max = if function.is_of_trait {
        usize::MAX
    } else {
        PARAMETERS_MAX
    };
    [
        ("lines", function.lines, FUNCTION_LINES_MAX),
        ("parameters", function.parameters, parameters_max),
        ("nested blocks", function.nesting, NESTING_MAX),
    ]
    .into_iter()
    .filter(|(_, count, max)| count > max)
    .map(move |(what, count, max)| {
        let message = format!("`{}` has {count} {what}, at most {max}", function.name);
        Finding::new(path, function.line, message)
    })
}

#[test]
fn each_cap_holds_at_its_limit_and_not_one_past_it() {
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    let parameters = |count: usize| format!("fn f({}) {{}}\n", "a: u8, ".repeat(count));
    let nested =
        |depth: usize| format!("fn f() {{{}{}}}", "if a {".repeat(depth), "}".repeat(depth));
    let file = |lines: usize| "const A: u8 = 1;\n".repeat(lines);
    let tests = |code: String| format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
    let cases = [
        (function(FUNCTION_LINES_MAX), 0),
        (function(FUNCTION_LINES_MAX + 1), 1),
        (tests(function(FUNCTION_LINES_MAX + 1)), 0),
        (parameters(PARAMETERS_MAX), 0),
        (parameters(PARAMETERS_MAX + 1), 1),
        (tests(parameters(PARAMETERS_MAX + 1)), 0),
        (
            format!("impl A for B {{\n{}}}", parameters(PARAMETERS_MAX + 1)),
            0,
        ),
        (
            format!("impl B {{\n{}}}", parameters(PARAMETERS_MAX + 1)),
            1,
        ),
        (
            format!("trait A {{\n{}}}", parameters(PARAMETERS_MAX + 1)),
            1,
        ),
        (nested(NESTING_MAX), 0),
        (nested(NESTING_MAX + 1), 1),
        (tests(nested(NESTING_MAX + 1)), 0),
        (file(FILE_LINES_MAX), 0),
        (file(FILE_LINES_MAX + 1), 1),
        (file(FILE_LINES_MAX) + &tests(file(1)), 0),
    ];
    for (text, count) in cases {
        let source = Source::parse("src/lib.rs", &text);
        assert_eq!(check(&source).len(), count, "{text}");
    }
}
