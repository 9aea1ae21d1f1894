//! Which files belong to the repository, and what they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::{Source, is_of_module};

pub(super) struct Repository {
    root: PathBuf,
    paths: BTreeSet<String>,
}

impl Repository {
    pub(super) fn open() -> Self {
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_root.join("../..");
        let mut paths = BTreeSet::new();
        match list_with_git(&root) {
            Some(listed) => paths.extend(listed),
            None => walk(&root, "", &mut paths),
        }
        paths.retain(|path| root.join(path).is_file());
        Self { root, paths }
    }

    /// Whether this is a file, or a folder with files in it; a clone has no empty folders.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.paths.contains(path)
            || self
                .paths
                .range(folder.clone()..)
                .next()
                .is_some_and(|first| first.starts_with(&folder))
    }

    /// The text of a file; `None` where there is no such file or it is not text.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.paths
            .contains(path)
            .then(|| fs::read_to_string(self.root.join(path)).ok())
            .flatten()
    }

    pub(super) fn texts<'a>(
        &'a self,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        self.paths
            .iter()
            .filter(move |path| wanted(path))
            .filter_map(|path| Some((path.clone(), self.text(path)?)))
    }

    pub(super) fn sources(&self) -> Vec<Source> {
        let mut sources: Vec<Source> = self
            .texts(|path| path.ends_with(".rs"))
            .map(|(path, text)| Source::parse(&path, &text))
            .collect();
        let modules: Vec<String> = sources
            .iter()
            .flat_map(|source| source.test_modules.clone())
            .collect();
        for source in &mut sources {
            if modules
                .iter()
                .any(|module| is_of_module(&source.path, module))
            {
                source.mark_as_tests();
            }
        }
        sources
    }
}

/// What is committed or would be: a file is checked before it is added, a build product never.
fn list_with_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !listed.is_empty())
        .then(|| listed.split_terminator('\0').map(str::to_owned).collect())
}

/// For a source archive, which has no history to ask.
fn walk(root: &Path, folder: &str, paths: &mut BTreeSet<String>) {
    const IGNORED: [&str; 3] = [".git", "target", "data"];
    for entry in fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder {
            paths.insert(path);
        } else if !(folder.is_empty() && IGNORED.contains(&name.as_str())) {
            walk(root, &path, paths);
        }
    }
}

#[test]
fn a_folder_is_there_when_a_file_is_in_it() {
    let repository = Repository::open();
    for path in [
        "Cargo.toml",
        "loadtest",
        "loadtest/",
        "loadtest/e2e/tests/it",
    ] {
        assert!(repository.has(path), "{path}");
    }
    for path in ["Cargo", "loadtes", "target", ".git", ""] {
        assert!(!repository.has(path), "{path}");
    }
}

#[test]
fn without_git_the_same_rust_files_are_found() {
    let repository = Repository::open();
    let mut walked = BTreeSet::new();
    walk(&repository.root, "", &mut walked);
    for path in repository.paths.iter().filter(|path| path.ends_with(".rs")) {
        assert!(walked.contains(path), "{path}");
    }
}
