//! Does the repository keep its own rules?
//!
//! Formatting, lints and dependencies have tools of their own. What is left is checked here: pure
//! functions over file texts, each with cases that show it red, then run over every file that git
//! knows or would add. Nothing here reads the clock, the network or the history.

mod architecture;
mod comments;
mod configuration;
mod figures;
mod links;
mod manifests;
mod markdown;
mod modules;
mod naming;
mod repository;
mod shape;
mod source;
mod suites;
mod verbs;
mod words;

use std::fmt;

use load::bench;
use repository::Repository;
use source::Source;

use crate::stack::write_certificates_of_examples;

/// One place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

fn assert_none(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings
        .into_iter()
        .map(|found| found.to_string())
        .collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

fn check_sources(rule: fn(&Source) -> Vec<Finding>) {
    let repository = Repository::open();
    assert_none(repository.sources().iter().flat_map(rule));
}

fn check_document(path: &str, rule: impl Fn(&Repository, &str) -> Vec<Finding>) {
    let repository = Repository::open();
    let findings = repository.text(path).map_or_else(
        || vec![Finding::new(path, 1, "this document is missing")],
        |text| rule(&repository, &text),
    );
    assert_none(findings);
}

#[test]
fn no_file_or_function_outgrows_its_caps() {
    check_sources(shape::check);
}

#[test]
fn every_type_and_module_is_named_for_what_it_is() {
    check_sources(naming::check);
}

#[test]
fn every_file_of_code_is_a_module_of_somebody() {
    let repository = Repository::open();
    let code_of = |path: &str| {
        let text = repository.text(path)?;
        Some(Source::parse(path, &text).code)
    };
    let sources = repository.sources();
    assert_none(sources.iter().flat_map(|it| modules::check(it, code_of)));
}

#[test]
fn every_crate_root_and_owner_of_a_folder_says_what_it_answers() {
    let repository = Repository::open();
    let findings = repository
        .sources()
        .into_iter()
        .flat_map(|source| comments::check_module_docs(&source, |path| repository.has(path)));
    assert_none(findings);
}

#[test]
fn every_open_task_in_the_code_says_why_it_is_open() {
    let repository = Repository::open();
    let in_rust = repository
        .sources()
        .into_iter()
        .flat_map(|source| comments::check_open_tasks(&source.path, &source.comments));
    let elsewhere = repository
        .texts(|path| !path.ends_with(".rs"))
        .flat_map(|(path, text)| comments::check_open_tasks(&path, &text));
    assert_none(in_rust.chain(elsewhere));
}

#[test]
fn every_test_is_a_sentence_that_runs_and_does_not_sleep() {
    check_sources(suites::check);
}

#[test]
fn every_crate_inherits_the_lints_and_leans_only_on_what_it_may() {
    let repository = Repository::open();
    let findings = repository
        .texts(|path| path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
        .flat_map(|(path, text)| manifests::check(&path, &text));
    assert_none(findings);
}

#[test]
fn no_file_names_a_machine_or_a_mirror() {
    let repository = Repository::open();
    let findings = repository
        .texts(|_| true)
        .flat_map(|(path, text)| words::check(&path, &text));
    assert_none(findings);
}

#[test]
fn every_relative_link_in_a_document_leads_somewhere() {
    let repository = Repository::open();
    let findings = repository
        .texts(|path| path.ends_with(".md"))
        .flat_map(|(path, text)| links::check(&path, &text, |target| repository.has(target)));
    assert_none(findings);
}

#[test]
fn every_path_in_the_architecture_exists() {
    for document in ["ARCHITECTURE.md", "DECISIONS.md"] {
        check_document(document, |repository, text| {
            architecture::check(document, text, |path| repository.has(path))
        });
    }
}

#[test]
fn the_map_can_be_read_before_the_code() {
    check_document("ARCHITECTURE.md", |_, text| {
        architecture::check_length("ARCHITECTURE.md", text)
    });
}

#[test]
fn every_figure_in_the_readme_names_its_report_and_stands_in_it() {
    check_document("README.md", |repository, text| {
        figures::check(text, |path| repository.text(path))
    });
}

#[test]
fn what_the_readme_says_of_peers_is_what_their_newest_report_says() {
    check_document("README.md", |repository, text| {
        let folder = "loadtest/reports/";
        let reports = repository.texts(move |path| path.starts_with(folder));
        let names = reports.map(|(path, _)| path[folder.len()..].to_owned());
        let newest = bench::newest_report(names).expect("peers were measured");
        let json = repository.text(&format!("{folder}{newest}.json"));
        let quote = bench::quote_text(&json.unwrap_or_default(), &newest).unwrap();
        figures::check_quote(text, &bench::quote_peers(text, &quote).unwrap())
    });
}

#[test]
fn every_verb_in_a_document_is_one_that_dev_knows() {
    let repository = Repository::open();
    let script = repository.text("dev").expect("the script ./dev is there");
    let findings = repository
        .texts(|path| path.ends_with(".md") || path == ".ci/run")
        .flat_map(|(path, text)| verbs::check(&path, &text, &script));
    assert_none(findings);
}

#[test]
fn every_file_under_config_loads() {
    let repository = Repository::open();
    let folder = tempfile::tempdir().unwrap();
    write_certificates_of_examples(folder.path());
    let findings = shipped_files(&repository)
        .into_iter()
        .flat_map(|(path, text)| configuration::check_loads(&path, &text, folder.path()));
    assert_none(findings);
}

#[test]
fn every_key_is_shown_in_a_shipped_file_and_read() {
    let repository = Repository::open();
    let keys = configuration::keys(&tollgate_config::schema());
    assert!(keys.len() > 20, "{keys:?}");
    let files: Vec<String> = shipped_files(&repository)
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let compiles =
        |path: &str| path == "config/src/compile.rs" || path.starts_with("config/src/compile/");
    let sources: Vec<String> = repository
        .texts(compiles)
        .map(|(path, text)| Source::parse(&path, &text).code)
        .collect();
    let findings = configuration::check_shown(&keys, &files)
        .into_iter()
        .chain(configuration::check_read(&keys, &sources));
    assert_none(findings);
}

/// The files somebody may copy; those under `config/tests` are broken on purpose.
fn shipped_files(repository: &Repository) -> Vec<(String, String)> {
    let is_shipped = |path: &str| {
        path.starts_with("config/") && !path.starts_with("config/tests/") && path.ends_with(".yaml")
    };
    let files: Vec<_> = repository.texts(is_shipped).collect();
    assert!(!files.is_empty(), "no configuration file is shipped");
    files
}
