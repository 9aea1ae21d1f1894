//! The one thread that writes audit lines.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use idp_core::audit::Entry;
use tokio::sync::{mpsc, oneshot};
use tollgate_config::AuditLog as Target;

use super::line::Lines;
use super::{Lost, Weight};

/// Nobody but the owner reads who did what.
const FILE_MODE: u32 = 0o600;
/// Entries that are written, and synced if need be, together.
const BATCH_MAX: usize = 256;
/// How long others are gathered that are as little in a hurry.
const GATHER: Duration = Duration::from_millis(4);

#[derive(Debug)]
pub(super) enum Order {
    Write(Entry),
    Reopen,
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    sink: Sink,
    lost: Arc<Lost>,
    lines: Lines,
    /// Of one batch, again and again.
    text: Vec<u8>,
    is_failing: bool,
}

impl Writer {
    pub(super) fn new(sink: Sink, lost: Arc<Lost>) -> Self {
        Self {
            sink,
            lost,
            lines: Lines::default(),
            text: Vec::new(),
            is_failing: false,
        }
    }

    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        let mut batch = Vec::new();
        while let Some(order) = queue.blocking_recv() {
            // Nobody waits for a line of the ordinary kind, and waking this thread for each of them
            // costs as much as writing it. What matters, and a queue that fills up, is taken at once.
            if is_ordinary(&order) && queue.len() < BATCH_MAX {
                thread::sleep(GATHER);
            }
            let mut next = Some(order);
            while let Some(Order::Write(entry)) = next {
                batch.push(entry);
                next = if batch.len() < BATCH_MAX {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            self.write(&batch);
            batch.clear();
            match next {
                Some(Order::Reopen) => self.sink.reopen(),
                Some(Order::Close(done)) => {
                    // Who asked for it may have given up.
                    let _ = done.send(());
                    return;
                }
                Some(Order::Write(_)) | None => {}
            }
        }
    }

    fn write(&mut self, batch: &[Entry]) {
        if batch.is_empty() {
            return;
        }
        self.text.clear();
        for entry in batch {
            self.lines.spell(entry, &mut self.text);
        }
        let is_durable = batch
            .iter()
            .any(|entry| Weight::of(entry.event) == Weight::Administrative);
        let Err(Unwritten { lines, error }) = self.sink.append(&self.text, is_durable) else {
            self.is_failing = false;
            return;
        };
        if !self.is_failing {
            tracing::error!(%error, "audit entries cannot be written and are lost until they can");
        }
        self.is_failing = true;
        let first = batch.len().saturating_sub(lines);
        self.lost.add(batch.iter().skip(first));
    }
}

fn is_ordinary(order: &Order) -> bool {
    matches!(order, Order::Write(entry) if Weight::of(entry.event) == Weight::Ordinary)
}

/// How many of the lines, counted from the last, did not come to where they belong.
#[derive(Debug)]
struct Unwritten {
    lines: usize,
    error: io::Error,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    Stderr {
        is_torn: bool,
    },
    File {
        path: PathBuf,
        file: File,
        is_torn: bool,
    },
}

impl Sink {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        Ok(match target {
            Target::Stderr => Self::Stderr { is_torn: false },
            Target::File(path) => Self::File {
                path: path.clone(),
                file: open_to_append(path)?,
                is_torn: false,
            },
        })
    }

    fn reopen(&mut self) {
        if let Self::File {
            path,
            file,
            is_torn,
        } = self
        {
            match open_to_append(path) {
                Ok(reopened) => {
                    *file = reopened;
                    *is_torn = false;
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "the audit log cannot be reopened; the old file goes on");
                }
            }
        }
    }

    fn append(&mut self, lines: &[u8], is_durable: bool) -> Result<(), Unwritten> {
        match self {
            Self::Stderr { is_torn } => append(&mut io::stderr().lock(), is_torn, lines),
            Self::File { file, is_torn, .. } => {
                append(file, is_torn, lines)?;
                let synced = if is_durable { sync(file) } else { Ok(()) };
                // Of what was not synced nobody knows what is on the disk.
                synced.map_err(|error| Unwritten {
                    lines: count(lines),
                    error,
                })
            }
        }
    }
}

/// A pipe or a terminal keeps nothing that could be synced.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Writes lines, after a line feed if the last one of the batch before was torn.
fn append(sink: &mut impl Write, is_torn: &mut bool, lines: &[u8]) -> Result<(), Unwritten> {
    let text = if *is_torn {
        Cow::Owned([b"\n", lines].concat())
    } else {
        Cow::Borrowed(lines)
    };
    let mut rest = &*text;
    let ended = loop {
        if rest.is_empty() {
            break Ok(());
        }
        match sink.write(rest) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    let written = text.len() - rest.len();
    if written > 0 {
        *is_torn = !text
            .get(..written)
            .is_some_and(|text| text.ends_with(b"\n"));
    }
    ended.map_err(|error| Unwritten {
        lines: count(rest).min(count(lines)),
        error,
    })
}

/// JSON has no line feed but the one behind it.
fn count(lines: &[u8]) -> usize {
    lines.iter().filter(|byte| **byte == b'\n').count()
}

fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(FILE_MODE)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then no more.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1 - self.0.len();
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(room).min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_fit_are_whole_and_one_that_was_torn_does_not_spoil_the_next() {
        let (lines, next) = (b"first\nsecond\nthird\n", b"next\n");
        for (room, lost, text) in [
            (0, 3, "next\n"),
            (3, 3, "fir\nnext\n"),
            (5, 3, "first\nnext\n"),
            (6, 2, "first\nnext\n"),
            (18, 1, "first\nsecond\nthird\nnext\n"),
            (19, 0, "first\nsecond\nthird\nnext\n"),
        ] {
            let (mut sink, mut is_torn) = (Narrow(Vec::new(), room), false);
            let ended = append(&mut sink, &mut is_torn, lines);
            let found = ended.map_or_else(|unwritten| unwritten.lines, |()| 0);
            assert_eq!(found, lost, "room for {room}");
            sink.1 = usize::MAX;
            append(&mut sink, &mut is_torn, next).unwrap();
            assert_eq!(String::from_utf8(sink.0).unwrap(), text, "room for {room}");
        }
    }

    #[test]
    fn a_line_feed_that_does_not_fit_either_is_written_later() {
        let (mut sink, mut is_torn) = (Narrow(b"fir".to_vec(), 3), true);
        let lines = b"next\n";
        let ended = append(&mut sink, &mut is_torn, lines);
        assert_eq!(ended.unwrap_err().lines, 1);
        sink.1 = usize::MAX;
        append(&mut sink, &mut is_torn, lines).unwrap();
        assert_eq!(sink.0, b"fir\nnext\n");
    }
}
