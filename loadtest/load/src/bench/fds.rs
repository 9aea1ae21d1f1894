//! The limit on open files, raised as far as this user may.

use std::process::Command;

use super::{BenchError, read};

/// Raises the soft limit of this process, and so of its children, to the hard one.
pub(super) fn raise_limit() -> Result<usize, BenchError> {
    let limits = read("/proc/self/limits", "the limits of this process")?;
    let (soft, hard) = parse_limits(&limits)?;
    if soft < hard {
        let output = Command::new("prlimit")
            .arg(format!("--nofile={hard}:{hard}"))
            .args(["--pid", &std::process::id().to_string()])
            .output()
            .map_err(BenchError::io("cannot start prlimit"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BenchError::Failed {
                program: "prlimit",
                said,
            });
        }
    }
    Ok(hard)
}

fn parse_limits(text: &str) -> Result<(usize, usize), BenchError> {
    let refused = || BenchError::Unreadable {
        what: "limits",
        text: text.to_owned(),
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let mut numbers = line
        .ok_or_else(refused)?
        .split_ascii_whitespace()
        .map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(soft)), Some(Ok(hard))) => Ok((soft, hard)),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_and_hard_limits_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max cpu time              unlimited            unlimited            seconds\n\
                    Max open files            1024                 20000                files\n";
        assert_eq!(parse_limits(text).ok(), Some((1024, 20000)));
        assert!(parse_limits("Max open files 1024\n").is_err());
        assert!(parse_limits("").is_err());
    }
}
