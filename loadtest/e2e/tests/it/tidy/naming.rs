//! Is every module and type named for what it is, rather than for where things were put?

use super::Finding;
use super::source::{Source, is_first_on_its_line, name_after, words};

const MODULES: &[&str] = &[
    "common", "helper", "helpers", "misc", "models", "types", "util", "utils",
];

const TYPE_ENDINGS: &[&str] = &[
    "Helper", "Helpers", "Impl", "Manager", "Util", "Utils", "Wrapper",
];

const TYPES: &[&str] = &["Base", "Data", "Handler", "Info"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = check_path(&source.path);
    for (at, keyword) in words(&source.code) {
        let Some((_, name)) = name_after(&source.code, at) else {
            continue;
        };
        let is_banned = match keyword {
            "mod" => MODULES.contains(&name),
            "enum" | "struct" | "trait" | "union" => is_banned_type(name),
            "type" => !is_associated(&source.code, at) && is_banned_type(name),
            _ => false,
        };
        if is_banned {
            let message = format!("`{keyword} {name}` says where things were put, not what it is");
            findings.push(Finding::new(&source.path, source.line(at), message));
        }
    }
    findings
}

fn check_path(path: &str) -> Vec<Finding> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let parts = stem.split('/');
    let mut findings: Vec<_> = parts
        .filter(|part| MODULES.contains(part))
        .map(|part| Finding::new(path, 1, format!("`{part}` names no idea")))
        .collect();
    if stem == "mod" || stem.ends_with("/mod") {
        let message = "a module lives in foo.rs beside foo/, never in mod.rs";
        findings.push(Finding::new(path, 1, message));
    }
    findings
}

fn is_banned_type(name: &str) -> bool {
    TYPES.contains(&name) || TYPE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// An indented `type` without `pub` is in an `impl`, and bears the name that its trait gave it.
fn is_associated(code: &str, at: usize) -> bool {
    is_first_on_its_line(code, at) && !code[..at].is_empty() && !code[..at].ends_with('\n')
}

#[test]
fn names_that_say_nothing_are_found() {
    let path = "pay/src/money.rs";
    let cases = [
        (path, "struct Transfer; enum Outcome {} mod table;", 0),
        (
            path,
            "struct TransferManager; enum FormatHelper {} trait StoreImpl {}",
            3,
        ),
        (
            path,
            "pub(crate) struct Info; pub type Data = u8; union Base {}",
            3,
        ),
        (
            path,
            "struct RouteHandler; struct Database; struct Information;",
            0,
        ),
        (path, "impl Body for A {\n    type Data = Bytes;\n}", 0),
        (path, "pub mod utils;\nmod types {}", 2),
        (path, "// struct Info;\nlet a = \"mod utils\";", 0),
        ("pay/src/utils.rs", "", 1),
        ("common/src/lib.rs", "", 1),
        ("pay/src/money/mod.rs", "", 1),
        ("pay/src/commons.rs", "", 0),
    ];
    for (path, text, count) in cases {
        let source = Source::parse(path, text);
        assert_eq!(check(&source).len(), count, "{path}: {text}");
    }
}
