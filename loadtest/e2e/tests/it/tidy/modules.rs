//! Is every Rust file a module of somebody? One that nobody names is never compiled, and so never wrong.

use super::Finding;
use super::source::Source;

/// Files that cargo finds by itself.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];

/// `code_of` gives what is code in a file that exists.
pub(super) fn check(source: &Source, code_of: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let path = source.path.as_str();
    let Some((folder, file)) = path.rsplit_once('/') else {
        return Vec::new();
    };
    if ROOTS.contains(&file) || folder.ends_with("/benches") {
        return Vec::new();
    }
    let owners = [
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
    ];
    let name = file.trim_end_matches(".rs");
    let is_named = owners
        .iter()
        .filter_map(|owner| code_of(owner))
        .any(|code| names(&code, name));
    if is_named {
        return Vec::new();
    }
    vec![Finding::new(path, 1, "no module names this file")]
}

fn names(code: &str, module: &str) -> bool {
    let declaration = format!("mod {module};");
    let mut lines = code.lines().map(str::trim);
    lines.any(|line| line == declaration || line.ends_with(&format!(" {declaration}")))
}

#[test]
fn a_file_that_no_module_names_is_found() {
    let owner = "mod cases;\npub(crate) mod path;\n";
    #[rustfmt::skip]
    let cases = [
        ("gateway/core/src/path.rs",        "gateway/core/src/lib.rs",   0),
        ("gateway/core/src/host.rs",        "gateway/core/src/lib.rs",   1),
        ("gateway/core/src/a/path.rs",      "gateway/core/src/a.rs",     0),
        ("gateway/core/src/a/path.rs",      "gateway/core/src/lib.rs",   1),
        ("pay/tests/it/cases.rs",           "pay/tests/it/main.rs",      0),
        ("gateway/core/src/lib.rs",         "nobody",                    0),
        ("pay/benches/store.rs",            "nobody",                    0),
    ];
    for (path, owned_by, count) in cases {
        let source = Source::parse(path, "");
        let found = check(&source, |it| (it == owned_by).then(|| owner.to_owned()));
        assert_eq!(found.len(), count, "{path} beside {owned_by}");
    }
}
