//! A wall clock that can be set, of one process alone, while it runs.
//!
//! libfaketime answers what the process asks of the clock, with an offset that it reads from a file
//! about once a second. Clocks that count from the start of the machine it leaves alone, since they
//! cannot be set either.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{BenchError, write};

/// To ask where the library is.
const ATTEMPTS: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// What the library reads.
    offset: PathBuf,
    library: String,
}

impl Clock {
    /// A clock that is right, for a process whose files are in this folder.
    pub(super) fn new(dir: &Path) -> Result<Self, BenchError> {
        let clock = Self {
            offset: dir.join("clock"),
            library: library()?,
        };
        clock.set(0)?;
        Ok(clock)
    }

    pub(super) fn set(&self, seconds: i64) -> Result<(), BenchError> {
        write(&self.offset, &format!("{seconds:+}\n"))
    }

    /// What comes before a program, so that it has this clock.
    pub(super) fn command(&self) -> Vec<OsString> {
        let mut offset = OsString::from("FAKETIME_TIMESTAMP_FILE=");
        offset.push(&self.offset);
        vec![
            "env".into(),
            format!("LD_PRELOAD={}", self.library).into(),
            offset,
            "FAKETIME_CACHE_DURATION=1".into(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        ]
    }
}

/// Where it is, its own program knows best. It does not start under a number of which a process with such a
/// clock that was killed has left something behind; the next time it has another one.
fn library() -> Result<String, BenchError> {
    for _ in 1..ATTEMPTS {
        let asked = ask_for_library();
        if !matches!(asked, Err(BenchError::Failed { .. })) {
            return asked;
        }
    }
    ask_for_library()
}

fn ask_for_library() -> Result<String, BenchError> {
    let asked = Command::new("faketime")
        .args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"])
        .output()
        .map_err(BenchError::io("cannot start faketime"))?;
    let library = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if library.is_empty() {
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        return Err(BenchError::Failed {
            program: "faketime",
            said,
        });
    }
    Ok(library)
}
