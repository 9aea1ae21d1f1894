//! Every way to get the file wrong, with the very words it is answered with.
//!
//! Each `tests/broken/NNN-what-is-wrong.yaml` has its answer in a `.txt` beside it. Run with
//! `UPDATE_EXPECT=1` to write the answers anew, then read them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tollgate_config::{Environment, compile};

use crate::certificates;

const FILES_MIN: usize = 80;

/// No answer may show this.
const SECRET: &str = "s3cr3t";

fn environment(folder: &Path) -> Environment {
    let environment = Environment::of(
        [
            ("SECRET", SECRET),
            ("TWO_LINES", "s3cr3t\r\ns3cr3t"),
            ("HUGE", "777777"),
            ("ENDPOINT", "localhost:8081"),
            ("HEADER", "x-s3cr3t"),
            ("SIZE", "777777B"),
            ("SMALL_SIZE", "7777B"),
        ],
        2,
    );
    environment.in_folder(folder).at(certificates::NOW)
}

fn broken_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().unwrap() == "yaml")
        .collect();
    files.sort();
    files
}

fn answer(file: &Path, folder: &Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    let problems = match compile(name, &fs::read(file).unwrap(), &environment(folder)) {
        Ok(_) => panic!("{name} loads"),
        Err(problems) => problems,
    };
    assert!(!problems.is_empty(), "{name}");
    for problem in problems.iter() {
        assert!(
            problem.at.is_some(),
            "{name}: a problem without a place: {problem}"
        );
    }
    format!("{problems}\n")
}

#[test]
fn every_broken_file_is_answered_word_for_word() {
    let files = broken_files();
    let certificates = certificates::folder();
    assert!(files.len() >= FILES_MIN, "only {} files", files.len());
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differences = String::new();
    for file in &files {
        let expected_at = file.with_extension("txt");
        let found = answer(file, certificates.path());
        if is_update {
            fs::write(&expected_at, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_at).unwrap_or_default();
        if found != expected {
            let name = expected_at.display();
            writeln!(differences, "--- {name}\n{expected}+++ found\n{found}").unwrap();
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn no_answer_shows_a_value_of_the_environment() {
    let certificates = certificates::folder();
    for file in broken_files() {
        let answer = answer(&file, certificates.path());
        for value in [SECRET, "7777"] {
            assert!(!answer.contains(value), "{}:\n{answer}", file.display());
        }
    }
}

#[test]
fn every_answer_belongs_to_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("yaml").exists(), "{}", path.display());
    }
}
