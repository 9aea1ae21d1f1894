//! Does every crate inherit the lints, and does a crate without I/O stay without it?
//!
//! `deny.toml` says which crate may be leaned on by whom. This is the other direction: what a crate
//! that only decides may lean on itself. Its tests are free.

use super::Finding;

enum Rule {
    /// These direct dependencies and no others.
    Only(&'static [&'static str]),
    /// Anything but these and what starts with them.
    Never(&'static [&'static str]),
}

const RUNTIMES: &[&str] = &[
    "axum", "hyper", "pingora", "redis", "tokio", "tower", "tracing",
];

const RULES: &[(&str, Rule)] = &[
    (
        "composer-core",
        Rule::Only(&[
            "bytes",
            "foldhash",
            "hashbrown",
            "http",
            "httpdate",
            "memchr",
            "serde_json",
            "thiserror",
        ]),
    ),
    (
        "gateway-core",
        Rule::Only(&[
            "base64",
            "bytes",
            "http",
            "idp-token",
            "memchr",
            "sha1_smol",
            "thiserror",
        ]),
    ),
    (
        "gateway-upstream",
        Rule::Only(&["bytes", "http", "thiserror"]),
    ),
    (
        "idp-core",
        Rule::Only(&[
            "aws-lc-rs",
            "base64",
            "idp-token",
            "smol_str",
            "subtle",
            "thiserror",
            "zeroize",
        ]),
    ),
    (
        "idp-token",
        Rule::Only(&[
            "aws-lc-rs",
            "base64",
            "jsonwebtoken",
            "serde",
            "serde_json",
            "subtle",
            "thiserror",
            "zeroize",
        ]),
    ),
    ("tollgate-config", Rule::Never(RUNTIMES)),
];

/// Those with lints of their own, which their manifests explain.
const OWN_LINTS: &[&str] = &["idp-background"];

pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let manifest = Manifest::parse(text);
    let Some(name) = manifest.name else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if !manifest.inherits_lints && !OWN_LINTS.contains(&name) {
        findings.push(Finding::new(
            path,
            1,
            "does not inherit the lints of the workspace",
        ));
    }
    let rule = RULES.iter().find(|(krate, _)| *krate == name);
    if rule.is_none() && name.ends_with("-core") {
        findings.push(Finding::new(
            path,
            1,
            "a core without a rule on what it may depend on",
        ));
    }
    if let Some((_, rule)) = rule {
        let forbidden = manifest
            .dependencies
            .iter()
            .filter(|(_, to)| rule.forbids(to));
        findings.extend(forbidden.map(|(line, to)| {
            let message = format!("{name} has no I/O and may not depend on {to}");
            Finding::new(path, *line, message)
        }));
    }
    findings
}

impl Rule {
    fn forbids(&self, dependency: &str) -> bool {
        match self {
            Self::Only(allowed) => !allowed.contains(&dependency),
            Self::Never(banned) => banned.iter().any(|name| dependency.starts_with(name)),
        }
    }
}

#[derive(Default)]
struct Manifest<'a> {
    /// The root of a workspace need not be a package.
    name: Option<&'a str>,
    inherits_lints: bool,
    /// Direct, for use or for building, with the line of each; not those of tests.
    dependencies: Vec<(usize, &'a str)>,
}

impl<'a> Manifest<'a> {
    fn parse(text: &'a str) -> Self {
        let mut manifest = Self::default();
        let mut table = "";
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_end_matches(']');
                manifest
                    .dependencies
                    .extend(dependency_table(table).map(|name| (number, name)));
            } else if let Some((key, value)) = line.split_once('=') {
                manifest.read(table, (key.trim(), value.trim()), number);
            }
        }
        manifest
    }

    fn read(&mut self, table: &str, (key, value): (&'a str, &'a str), number: usize) {
        match (table, key) {
            ("package", "name") => self.name = Some(value.trim_matches('"')),
            ("lints", "workspace") => self.inherits_lints = value == "true",
            _ if is_dependencies(table) => {
                let name = key.split('.').next().unwrap_or(key);
                self.dependencies.push((number, name));
            }
            _ => {}
        }
    }
}

/// `[dependencies]`, `[build-dependencies]` and those of one target, but not of the workspace.
fn is_dependencies(table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or(table);
    matches!(last, "dependencies" | "build-dependencies") && !table.starts_with("workspace.")
}

/// The dependency that has a table of its own: `[dependencies.http]`.
fn dependency_table(table: &str) -> Option<&str> {
    let (parent, name) = table.rsplit_once('.')?;
    is_dependencies(parent).then_some(name)
}

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n\n[lints]\nworkspace = true\n\n{rest}")
}

#[test]
fn a_crate_without_io_that_leans_on_io_is_found() {
    for (name, rule) in RULES {
        let (good, bad) = match rule {
            Rule::Only(allowed) => (allowed[0], "tokio"),
            Rule::Never(banned) => ("serde", banned[0]),
        };
        let cases = [
            (format!("[dependencies]\n{good}.workspace = true\n"), 0),
            (format!("[dependencies]\n{bad}.workspace = true\n"), 1),
            (
                format!("[dependencies]\n{bad} = {{ workspace = true }}\n"),
                1,
            ),
            (format!("[dependencies.{bad}]\nworkspace = true\n"), 1),
            (format!("[build-dependencies]\n{bad} = \"1\"\n"), 1),
            (
                format!("[target.'cfg(unix)'.dependencies]\n{bad} = \"1\"\n"),
                1,
            ),
            (
                format!("[target.x.dependencies.{bad}]\nversion = \"1\"\n"),
                1,
            ),
            (format!("[dev-dependencies]\n{bad}.workspace = true\n"), 0),
            (format!("[features]\n{bad} = []\n"), 0),
        ];
        for (rest, count) in cases {
            let text = manifest(name, &rest);
            assert_eq!(check("a/Cargo.toml", &text).len(), count, "{text}");
        }
    }
}

#[test]
fn a_family_of_crates_is_banned_by_its_first_word() {
    let text = manifest(
        "tollgate-config",
        "[dependencies]\npingora-core = \"0.9\"\n",
    );
    assert_eq!(check("config/Cargo.toml", &text).len(), 1);
}

#[test]
fn a_new_core_needs_a_rule_and_every_crate_the_lints() {
    let cases = [
        (manifest("ledger-core", ""), 1),
        (
            manifest("pay", "[dependencies]\ntokio.workspace = true\n"),
            0,
        ),
        ("[package]\nname = \"pay\"\n".to_owned(), 1),
        ("[package]\nname = \"idp-background\"\n".to_owned(), 0),
        (
            "[workspace]\n\n[workspace.dependencies]\ntokio = \"1\"\n".to_owned(),
            0,
        ),
    ];
    for (text, count) in cases {
        assert_eq!(check("a/Cargo.toml", &text).len(), count, "{text}");
    }
}
