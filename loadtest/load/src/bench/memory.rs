//! Memory of processes: the proportional set size, which counts a shared page once, and the resident
//! one, which is what an operator sees.

use serde::{Deserialize, Serialize};

use super::{BenchError, read};

/// Proportional set size, in KiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Footprint {
    pub(super) at_rest: u64,
    pub(super) after: u64,
}

/// Sum over the processes, in KiB.
pub(super) fn pss_kib(processes: &[u32]) -> Result<u64, BenchError> {
    sum_kib(processes, "Pss:")
}

/// Sum over the processes, in KiB.
pub(crate) fn rss_kib(processes: &[u32]) -> Result<u64, BenchError> {
    sum_kib(processes, "Rss:")
}

fn sum_kib(processes: &[u32], size: &str) -> Result<u64, BenchError> {
    let sizes = processes.iter().map(|process| {
        let rollup = format!("/proc/{process}/smaps_rollup");
        parse(&read(rollup, "the memory of a peer")?, size)
    });
    sizes.sum()
}

fn parse(text: &str, size: &str) -> Result<u64, BenchError> {
    let line = text.lines().find_map(|line| line.strip_prefix(size));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| BenchError::Unreadable {
            what: "smaps_rollup",
            text: text.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_among_the_others() {
        let rollup = "5600-7ffd [rollup]\nRss:   9384 kB\nPss:                2021 kB\n\
                      Pss_Anon:            1128 kB\nPss_File:             893 kB\n";
        let cases = [
            (rollup, Some(2021)),
            ("Rss: 1 kB\n", None),
            ("Pss: many kB\n", None),
            ("Pss: 12\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, "Pss:").ok(), expected, "{text:?}");
        }
        assert_eq!(parse(rollup, "Rss:").ok(), Some(9384));
    }

    #[test]
    fn this_process_has_memory() {
        assert!(pss_kib(&[std::process::id()]).unwrap() > 0);
    }
}
