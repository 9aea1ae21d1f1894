//! What does the store cost? `groups`, `sessions` and `reads` measure and print a table each;
//! `kills` is the test of the same name, for as long as one likes. See `./dev help`.
//!
//! `cargo bench -p idp-server --bench store -- sessions 1000000`

#[path = "../tests/it/machine.rs"]
mod machine;
#[path = "../tests/it/kills/rounds.rs"]
mod rounds;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod world;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use idp_core::store::{Key, Store as _};
use idp_server::store::{EmbeddedStore, Options};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use world::{NOW, key_in, raise, tenant};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Requests under way while sessions are begun.
const ASKING: usize = 256;
const READS: u32 = 20_000;

type Measured = Result<(), Box<dyn Error>>;

fn main() -> Measured {
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["groups"] => groups(),
        ["reads"] => reads(),
        ["sessions", count] => sessions(count.parse()?),
        ["kills", count] => kills(count.parse()?),
        ["write", folder] => {
            rounds::write(Path::new(folder));
            Ok(())
        }
        ["rest", folder] => rest(Path::new(folder)),
        _ => Err("which? groups | reads | sessions COUNT | kills COUNT".into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

/// As the server opens it.
fn open(folder: &Path) -> Result<EmbeddedStore, Box<dyn Error>> {
    let path = folder.join("store");
    Ok(EmbeddedStore::open(
        &path,
        &key_in(folder),
        Options::default(),
    )?)
}

fn say(line: &str) -> Measured {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Transactions per second, beside the same writers of whom one at a time commits.
fn groups() -> Measured {
    say("| writers | transactions/s in groups | one at a time | ratio |")?;
    say("| ------- | ------------------------ | ------------- | ----- |")?;
    for writers in [1, 16, 64] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let (grouped, single) = (round(writers, false)?, round(writers, true)?);
            rounds.push((grouped / single, grouped, single));
        }
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ((least, ..), (most, ..)) = (rounds[0], rounds[ROUNDS - 1]);
        let (ratio, grouped, single) = rounds[ROUNDS / 2];
        say(&format!(
            "| {writers} | {grouped:.0} | {single:.0} | {ratio:.2} ({least:.2}-{most:.2}) |"
        ))?;
    }
    Ok(())
}

fn round(writers: usize, is_single: bool) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(open(folder.path())?);
    let (count, is_over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let turn = Arc::new(Mutex::new(()));
    let runtime = runtime();
    let began = now();
    runtime.block_on(async {
        let mut running = tokio::task::JoinSet::new();
        for number in 0..writers {
            let (store, turn) = (Arc::clone(&store), Arc::clone(&turn));
            let (count, is_over) = (Arc::clone(&count), Arc::clone(&is_over));
            running.spawn(async move {
                let name = format!("t{number}");
                while !is_over.load(Ordering::Relaxed) {
                    let turn = if is_single {
                        Some(turn.lock().await)
                    } else {
                        None
                    };
                    raise(store.as_ref(), &name).await.expect("a commit");
                    drop(turn);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // sleeps: this is the length of the measurement
        tokio::time::sleep(ROUND).await;
        is_over.store(true, Ordering::Relaxed);
        running.join_all().await;
    });
    let count = u32::try_from(count.load(Ordering::Relaxed))?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// What a read costs on its way through the port.
fn reads() -> Measured {
    let folder = tempfile::tempdir()?;
    let store = open(folder.path())?;
    runtime().block_on(async {
        raise(&store, "bank").await.expect("a commit");
        let keys = [Key::Tenant(tenant("bank")), Key::Realm, Key::Relay];
        let began = now();
        for _ in 0..READS {
            store.read(&keys).await.expect("a read");
        }
        let each = began.elapsed() / READS;
        say(&format!("a read of {} keys: {each:?}", keys.len()))
    })
}

fn sessions(count: u32) -> Measured {
    let folder = tempfile::tempdir()?;
    let began = now();
    begin_sessions(folder.path(), count)?;
    let took = began.elapsed();
    let bytes = std::fs::metadata(folder.path().join("store"))?.len();
    let rate = f64::from(count) / took.as_secs_f64();
    say(&format!(
        "- {count} sessions begun at {rate:.0}/s, {ASKING} at a time"
    ))?;
    say(&format!(
        "- file: {} MiB, {} bytes per session",
        bytes >> 20,
        bytes / u64::from(count)
    ))?;
    say("- opened after an orderly end:")?;
    run_self("rest", folder.path())?;
    kill_writer(folder.path())?;
    say("- opened after a kill -9:")?;
    run_self("rest", folder.path())?;
    let store = open(folder.path())?;
    let began = now();
    let to = folder.path().join("backup");
    runtime().block_on(store.backup(&to))?;
    let bytes = std::fs::metadata(&to)?.len();
    say(&format!(
        "- backup: {} MiB in {:.1?}",
        bytes >> 20,
        began.elapsed()
    ))
}

fn begin_sessions(folder: &Path, count: u32) -> Measured {
    let store = Arc::new(open(folder)?);
    let provider = Arc::new(machine::provider());
    runtime().block_on(async {
        machine::set_up(store.as_ref(), &provider).await;
        let left = Arc::new(AtomicU64::new(count.into()));
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..ASKING {
            let (store, provider) = (Arc::clone(&store), Arc::clone(&provider));
            let left = Arc::clone(&left);
            running.spawn(async move {
                let take = |left: u64| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let asked = machine::ask(store.as_ref(), &provider, NOW).await;
                    asked.expect("a token");
                }
            });
        }
        running.join_all().await;
    });
    Ok(())
}

fn this_program(verb: &str, folder: &Path) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(verb).arg(folder);
    Ok(command)
}

fn run_self(verb: &str, folder: &Path) -> Measured {
    let status = this_program(verb, folder)?.status()?;
    if status.success() {
        Ok(())
    } else {
        Err("it failed".into())
    }
}

/// Leaves the store as a process does that is killed while it writes.
fn kill_writer(folder: &Path) -> Measured {
    let mut process = this_program("write", folder)?
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().ok_or("no output")?;
    let said = BufReader::new(output).lines().take(20).count();
    process.kill()?;
    process.wait()?;
    if said == 20 {
        Ok(())
    } else {
        Err("it did not write".into())
    }
}

/// How soon a process has the store open, and what it then occupies.
fn rest(folder: &Path) -> Measured {
    let began = now();
    let store = open(folder)?;
    let opened = began.elapsed();
    let runtime = runtime();
    let at_rest = resident()?;
    let provider = machine::provider();
    runtime.block_on(async {
        for _ in 0..2000 {
            machine::ask(&store, &provider, NOW).await.expect("a token");
        }
        let sweep_page = idp_core::store::Range::of(idp_core::store::Kind::Session);
        let mut after: Option<Key> = None;
        for _ in 0..400 {
            let page = store
                .scan(&sweep_page, after.as_ref(), 256)
                .await
                .expect("a scan");
            after = page.last().map(|last| last.record.key());
        }
    });
    let in_use = resident()?;
    say(&format!(
        "  in {opened:.1?}; resident {at_rest} MiB at rest, {in_use} MiB after 2,000 logins and 100,000 records read"
    ))
}

fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS")?.parse::<u64>()?.div_ceil(1024))
}

fn kills(count: usize) -> Measured {
    let mut told = rounds::Told::default();
    while told.kills < count {
        let of_store = rounds::run((count - told.kills).min(20), &|folder: &Path| {
            this_program("write", folder).expect("this program")
        });
        told.kills += of_store.kills;
        told.acknowledged += of_store.acknowledged;
        told.unacknowledged += of_store.unacknowledged;
    }
    say(&format!(
        "{} kills: {} changes acknowledged and all there; {} more found that nobody was told of",
        told.kills, told.acknowledged, told.unacknowledged
    ))
}
