//! Under what conditions a run was made, without a word about whose machine it was.

use std::path::Path;

use serde::Serialize;
use tokio::process::Command;

use super::workbench::Workbench;
use super::{BenchError, read};
use crate::process::program;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Conditions {
    pub(super) date: String,
    pub(super) cpu_model: String,
    pub(super) cpus: usize,
    pub(super) kernel: String,
    pub(super) layout: String,
    /// One minute's average before the bench began: anything much above 0 disturbs.
    pub(super) load_average: String,
    pub(super) versions: Vec<Version>,
    pub(super) flags: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Version {
    pub(super) program: &'static str,
    pub(super) version: String,
}

impl Conditions {
    /// Those of a report that a test makes up.
    #[cfg(test)]
    pub(super) fn made_up(flags: &str) -> Self {
        Self {
            date: "a day".into(),
            cpu_model: "a model".into(),
            cpus: 2,
            kernel: "6".into(),
            layout: "apart".into(),
            load_average: "0.1".into(),
            versions: Vec::new(),
            flags: flags.into(),
        }
    }

    pub(super) async fn note(bench: &Workbench, flags: String) -> Result<Self, BenchError> {
        let mut versions = vec![
            version("nginx", &program("nginx"), "-v").await?,
            version("haproxy", &program("haproxy"), "-v").await?,
            version("wrk", Path::new("wrk"), "-v").await?,
        ];
        if let Some(gateway) = bench.gateway() {
            versions.insert(0, version("tollgate", gateway, "--version").await?);
        }
        let layout = if bench.layout.is_shared() {
            "proxy, wrk and upstream share the one CPU there is"
        } else {
            "proxy (1 worker) alone on one CPU; wrk and upstream on another; loopback"
        };
        Self::of(layout, versions, flags).await
    }

    /// Those of a bench that has a layout and peers of its own.
    pub(super) async fn of(
        layout: &str,
        versions: Vec<Version>,
        flags: String,
    ) -> Result<Self, BenchError> {
        let cpuinfo = read("/proc/cpuinfo", "the CPU's name")?;
        Ok(Self {
            date: said(Path::new("date"), &["-u", "+%Y-%m-%d %H:%M UTC"]).await?,
            cpu_model: cpu_model(&cpuinfo).to_owned(),
            cpus: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            kernel: read("/proc/sys/kernel/osrelease", "the kernel's version")?
                .trim()
                .to_owned(),
            layout: layout.to_owned(),
            load_average: first_word(&read("/proc/loadavg", "the load average")?),
            versions,
            flags,
        })
    }
}

fn first_word(text: &str) -> String {
    text.split_ascii_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn cpu_model(cpuinfo: &str) -> &str {
    let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let mut models = lines.filter(|(name, _)| name.trim() == "model name");
    models.next().map_or("unknown", |(_, model)| model.trim())
}

pub(super) async fn version(
    name: &'static str,
    program: &Path,
    flag: &str,
) -> Result<Version, BenchError> {
    let text = said(program, &[flag]).await?;
    Ok(Version {
        program: name,
        version: parse_version(name, &text),
    })
}

/// What it printed first, on whichever stream; a version is often asked for with an error.
async fn said(program: &Path, arguments: &[&str]) -> Result<String, BenchError> {
    let shown = program.file_name().unwrap_or_default().to_string_lossy();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .await
        .map_err(BenchError::io(format!("cannot start {shown}")))?;
    let stream = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = String::from_utf8_lossy(&stream);
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty());
    Ok(first.unwrap_or_default().to_owned())
}

/// The words between the program's own name and whatever praise follows the version.
fn parse_version(name: &str, line: &str) -> String {
    match name {
        // `PATH/envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
        "envoy" => return line.split('/').rev().nth(3).unwrap_or(line).to_owned(),
        // `varnishd (varnish-7.1.1 revision COMMIT)`
        "varnish" => {
            let (_, rest) = line.split_once("varnish-").unwrap_or(("", line));
            return first_word(rest);
        }
        _ => {}
    }
    let end = ["[", " - ", "Copyright"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min();
    let line = line.get(..end.unwrap_or(line.len())).unwrap_or(line).trim();
    let words = line.split_ascii_whitespace();
    let is_label = |word: &&str| {
        let word = word.trim_end_matches(':');
        word.eq_ignore_ascii_case(name) || word == "version"
    };
    let version = words.skip_while(is_label).collect::<Vec<_>>().join(" ");
    let own_name = format!("{name}/");
    version
        .strip_prefix(&own_name)
        .unwrap_or(&version)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_cut_from_their_lines() {
        let cases = [
            ("nginx", "nginx version: nginx/1.22.1", "1.22.1"),
            (
                "haproxy",
                "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/",
                "2.6.12-1+deb12u4 2026/10/17",
            ),
            (
                "wrk",
                "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 W G",
                "debian/4.1.0-3+b2",
            ),
            ("tollgate", "tollgate 0.1.0", "0.1.0"),
            (
                "envoy",
                "/x/envoy  version: e3b4a6e9/1.40.0/Clean/RELEASE/BoringSSL",
                "1.40.0",
            ),
            (
                "varnish",
                "varnishd (varnish-7.1.1 revision 7cee1c5)",
                "7.1.1",
            ),
            ("tollgate", "", ""),
        ];
        for (name, line, expected) in cases {
            assert_eq!(parse_version(name, line), expected, "{line}");
        }
    }

    #[test]
    fn the_cpu_is_named_once() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: X\n";
        assert_eq!(cpu_model(cpuinfo), "AMD EPYC");
        assert_eq!(cpu_model(""), "unknown");
    }
}
