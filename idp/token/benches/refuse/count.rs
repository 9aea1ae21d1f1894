//! Instructions per call, counted by valgrind, and held against a committed count.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use super::{Case, measure};

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;
/// How much more than the committed count is put up with.
const EXCESS_MAX: f64 = 1.05;

const HOW_TO_READ: &str = "\
## How to read it

Instructions were counted by valgrind, which knows no SHA extensions, as the difference of a run of
11,000 calls and one of 1,000; they do not differ from run to run, and `./dev cost` fails where one
exceeds the count of this report by more than five per cent. Times are the least of 200 rounds of
2,000 calls, told beside a SHA-256 from the same run; they differ with the machine. To measure again:

```sh
cargo bench -p idp-token --bench refuse -- report \"$PWD/loadtest/reports\"
```
";

type Counts = BTreeMap<String, u64>;

/// Counts, and writes what was counted.
pub(super) fn report(cases: &[Case], folder: &Path) -> Result<(), Box<dyn Error>> {
    let counts = count_all(cases)?;
    let base = measure(&cases[0].call);
    let mut text = "# What judging a token costs\n\n\
        | call | instructions | time | beside one SHA-256 of the token |\n\
        | --- | ---: | ---: | ---: |\n"
        .to_owned();
    for case in &cases[1..] {
        let (count, spent) = (counts[case.name], measure(&case.call));
        let ratio = spent / base;
        writeln!(
            text,
            "| {} | {count} | {spent:.0} ns | {ratio:.1} |",
            case.what
        )?;
    }
    println!("{text}");
    fs::write(folder.join("tokens.md"), format!("{text}\n{HOW_TO_READ}"))?;
    let json = serde_json::to_string_pretty(&counts)?;
    fs::write(folder.join("tokens.json"), format!("{json}\n"))?;
    Ok(())
}

/// Counts, and fails where it has become more.
pub(super) fn check(cases: &[Case], folder: &Path) -> Result<(), Box<dyn Error>> {
    let committed: Counts = serde_json::from_slice(&fs::read(folder.join("tokens.json"))?)?;
    let counts = count_all(cases)?;
    let mut dear = Vec::new();
    for (name, found) in &counts {
        let known = committed.get(name).copied().unwrap_or_default();
        let ratio = *found as f64 / known.max(1) as f64;
        println!("{name:<12} {found:>8} instructions, {ratio:.3} of the committed count");
        if ratio > EXCESS_MAX {
            dear.push(name.as_str());
        }
    }
    if dear.is_empty() {
        return Ok(());
    }
    let dear = dear.join(", ");
    Err(format!("dearer than the committed count by more than five per cent: {dear}").into())
}

/// All but the SHA-256 that times are told beside.
fn count_all(cases: &[Case]) -> Result<Counts, Box<dyn Error>> {
    let counted = cases[1..].iter().map(|case| {
        let (few, many) = (count(case.name, FEW)?, count(case.name, MANY)?);
        Ok((
            case.name.to_owned(),
            many.saturating_sub(few) / (MANY - FEW),
        ))
    });
    counted.collect()
}

/// Instructions of a whole run of so many calls.
fn count(name: &str, calls: u64) -> Result<u64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let counted = folder.path().join("counted");
    let run = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", counted.display()))
        .arg(env::current_exe()?)
        .args([name, &calls.to_string()])
        .output()?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned().into());
    }
    let text = fs::read_to_string(counted)?;
    let total = text.lines().rev().find_map(|line| {
        let rest = line
            .strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "));
        rest?.trim().parse().ok()
    });
    total.ok_or_else(|| "valgrind told no total".into())
}
