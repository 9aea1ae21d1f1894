//! Instructions per call, counted by valgrind, and held against a committed count.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::Book;

const FEW: u32 = 1_000;
const MANY: u32 = 11_000;
/// How much more than the committed count is put up with: one part in so many, and of a short call so
/// many instructions, because a count ends between two whole ones and falls to either side.
const EXCESS_PART: u64 = 20;
const EXCESS_LEAST: u64 = 2;

type Counts = BTreeMap<String, u64>;

/// Counts, and writes what was counted.
pub(super) fn report(book: &Book, folder: &Path) -> Result<(), Box<dyn Error>> {
    let counts = count_all(book)?;
    let text = page(book, &counts)?;
    println!("{text}");
    fs::write(folder.join(book.name).with_extension("md"), text)?;
    let json = serde_json::to_string_pretty(&counts)?;
    fs::write(numbers(book, folder), format!("{json}\n"))?;
    Ok(())
}

/// Counts, and fails where it has become more.
pub(super) fn check(book: &Book, folder: &Path) -> Result<(), Box<dyn Error>> {
    let committed: Counts = serde_json::from_slice(&fs::read(numbers(book, folder))?)?;
    let counts = count_all(book)?;
    let mut wrong = Vec::new();
    for (name, found) in &counts {
        match committed.get(name) {
            None => wrong.push(format!("{name} has no committed count")),
            Some(known) => {
                let ratio = *found as f64 / *known as f64;
                println!("{name:<16} {found:>8} instructions, {ratio:.3} of the committed count");
                if is_dearer(*found, *known) {
                    wrong.push(format!("{name} is dearer by more than five per cent"));
                }
            }
        }
    }
    let gone = committed.keys().filter(|name| !counts.contains_key(*name));
    wrong.extend(gone.map(|name| format!("{name} is committed and not there")));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}; to write the counts anew: {}",
        wrong.join(", "),
        again(book)
    )
    .into())
}

fn is_dearer(found: u64, known: u64) -> bool {
    found > known + (known / EXCESS_PART).max(EXCESS_LEAST)
}

fn numbers(book: &Book, folder: &Path) -> PathBuf {
    folder.join(book.name).with_extension("json")
}

fn again(book: &Book) -> String {
    let bench = book.bench;
    format!("cargo bench {bench} -- report \"$PWD/loadtest/reports\"")
}

fn page(book: &Book, counts: &Counts) -> Result<String, Box<dyn Error>> {
    let Book {
        title, yardstick, ..
    } = book;
    let beside = yardstick.what;
    let base = yardstick.time();
    let mut text = format!(
        "# {title}\n\n\
         | call | instructions | time | beside {beside} |\n\
         | --- | ---: | ---: | ---: |\n"
    );
    for case in &book.cases {
        let (what, spent) = (case.what, case.time());
        let count = counts.get(case.name).copied().unwrap_or_default();
        let ratio = spent / base;
        writeln!(text, "| {what} | {count} | {spent:.0} ns | {ratio:.1} |")?;
    }
    let again = again(book);
    write!(
        text,
        "\n## How to read it\n\n\
         Instructions were counted by valgrind, which knows no SHA extensions, as the difference of a run of\n\
         11,000 calls and one of 1,000; they differ by one at most from run to run, and `./dev cost` fails where\n\
         one exceeds the count of this report by more than five per cent, and by more than two. Times are the\n\
         least of 200 rounds of 2,000 calls, told beside {beside} in the same run; they differ with the\n\
         machine. To measure again:\n\n\
         ```sh\n{again}\n```\n"
    )?;
    Ok(text)
}

/// All but the yardstick.
fn count_all(book: &Book) -> Result<Counts, Box<dyn Error>> {
    let counted = book.cases.iter().map(|case| {
        let (few, many) = (count(case.name, FEW)?, count(case.name, MANY)?);
        let each = many.saturating_sub(few) / u64::from(MANY - FEW);
        Ok((case.name.to_owned(), each))
    });
    counted.collect()
}

/// Instructions of a whole run of so many calls.
fn count(name: &str, calls: u32) -> Result<u64, Box<dyn Error>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_per_cent_more_are_put_up_with_and_not_one_past_it() {
        assert!(!is_dearer(7_350, 7_000));
        assert!(is_dearer(7_351, 7_000));
    }

    #[test]
    fn a_short_call_may_take_two_more_and_not_three() {
        assert!(!is_dearer(19, 17));
        assert!(is_dearer(20, 17));
    }
}
