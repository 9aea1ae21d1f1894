//! Access lines, off the request path.
//!
//! A request appends its line to a buffer of its own thread; one writer thread collects the buffers
//! and writes them together. It sleeps while there is nothing to write. When the disk cannot keep
//! up, lines are dropped and counted: a full disk must not stop payments.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::IntCounter;
use tollgate_config::AccessLog as Target;

const SHARDS: usize = 8;
/// What one buffer may hold; lines past it are dropped.
const SHARD_BYTES_MAX: usize = 1024 * 1024;
/// How long lines may wait for others to be written with them.
const GATHER: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(crate) struct AccessLog {
    shared: Option<Arc<Shared>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    shards: [Mutex<Vec<u8>>; SHARDS],
    /// Whether the writer was told that there are lines.
    has_lines: AtomicBool,
    orders: Mutex<Orders>,
    wake: Condvar,
    dropped: IntCounter,
}

#[derive(Debug, Default)]
struct Orders {
    lines: bool,
    reopen: bool,
    stop: bool,
}

impl AccessLog {
    /// Opens the target and starts the writer. An unwritable file is an error now, not later.
    pub(crate) fn open(target: &Target, dropped: IntCounter) -> io::Result<Self> {
        let Some(sink) = Sink::open(target)? else {
            return Ok(Self {
                shared: None,
                writer: Mutex::new(None),
            });
        };
        let shared = Arc::new(Shared {
            shards: std::array::from_fn(|_| Mutex::new(Vec::new())),
            has_lines: AtomicBool::new(false),
            orders: Mutex::new(Orders::default()),
            wake: Condvar::new(),
            dropped,
        });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_lines(&for_writer, sink))?;
        Ok(Self {
            shared: Some(shared),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Appends what `write` writes, with a line feed.
    pub(crate) fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(shared) = &self.shared else { return };
        {
            let mut shard = lock(&shared.shards[shard_of_thread()]);
            if shard.len() > SHARD_BYTES_MAX {
                shared.dropped.inc();
                return;
            }
            write(&mut shard);
            shard.push(b'\n');
        }
        if !shared.has_lines.load(Ordering::Relaxed)
            && !shared.has_lines.swap(true, Ordering::AcqRel)
        {
            lock(&shared.orders).lines = true;
            shared.wake.notify_one();
        }
    }

    /// Opens the file anew, as after a rotation.
    pub(crate) fn reopen(&self) {
        self.order(|orders| orders.reopen = true);
    }

    /// Writes what is left and ends the writer.
    pub(crate) fn close(&self) {
        self.order(|orders| orders.stop = true);
        if let Some(writer) = lock(&self.writer).take()
            && writer.join().is_err()
        {
            tracing::error!("the access log writer panicked");
        }
    }

    fn order(&self, give: impl FnOnce(&mut Orders)) {
        if let Some(shared) = &self.shared {
            give(&mut lock(&shared.orders));
            shared.wake.notify_one();
        }
    }
}

/// Threads take shards in turn, so that workers rarely meet on one.
fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    SHARD.with(Cell::get)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_lines(shared: &Shared, mut sink: Sink) {
    let mut gathered = Vec::new();
    let mut is_failing = false;
    loop {
        let orders = wait_for_orders(shared);
        if !orders.stop {
            std::thread::sleep(GATHER);
        }
        if orders.reopen {
            sink.reopen();
        }
        shared.has_lines.store(false, Ordering::Release);
        for shard in &shared.shards {
            gathered.append(&mut lock(shard));
        }
        is_failing = match sink.write(&gathered) {
            Ok(()) => false,
            Err(error) => {
                shared.dropped.inc_by(count_lines(&gathered));
                if !is_failing {
                    tracing::error!(%error, "access lines cannot be written and are lost until they can");
                }
                true
            }
        };
        gathered.clear();
        if orders.stop {
            return;
        }
    }
}

fn wait_for_orders(shared: &Shared) -> Orders {
    let orders = lock(&shared.orders);
    let idle = |orders: &mut Orders| !(orders.lines || orders.reopen || orders.stop);
    let mut orders = shared
        .wake
        .wait_while(orders, idle)
        .unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *orders)
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    Stdout,
    Stderr,
    File { path: PathBuf, file: File },
}

impl Sink {
    fn open(target: &Target) -> io::Result<Option<Self>> {
        Ok(match target {
            Target::Off => None,
            Target::Stdout => Some(Self::Stdout),
            Target::Stderr => Some(Self::Stderr),
            Target::File(path) => Some(Self::File {
                path: path.clone(),
                file: open_to_append(path)?,
            }),
        })
    }

    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open_to_append(path) {
                Ok(reopened) => *file = reopened,
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "the access log cannot be reopened; the old file goes on");
                }
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(&mut io::stdout().lock(), lines),
            Self::Stderr => write_all(&mut io::stderr().lock(), lines),
            Self::File { file, .. } => write_all(file, lines),
        }
    }
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn write_all(sink: &mut impl Write, lines: &[u8]) -> io::Result<()> {
    sink.write_all(lines)?;
    sink.flush()
}

fn open_to_append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
