//! From boot to exit: signals, reloads and the way out.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use gateway_server::Reloader;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tollgate::{Plan, Stack};

use crate::verb::Start;

/// Hears of a stack that listens, and how long that took.
pub(crate) type Ready = Box<dyn FnOnce(&Stack, Duration)>;

/// What a verb wants to run.
pub(crate) struct Serving {
    pub(crate) plan: Plan,
    /// Of the runtime.
    pub(crate) threads: usize,
    /// Watched for changes, unless it is the built-in default.
    pub(crate) start: Start,
    /// Called once everything listens, with the time it took.
    pub(crate) ready: Ready,
}

/// What an operator asks of the process.
enum Order {
    /// `SIGTERM`: stop so that nobody notices.
    Stop,
    /// `SIGINT`, Ctrl-C: stop, but nobody has to find out beforehand.
    StopNow,
    /// `SIGHUP`, or the file changed.
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// Runs until told to stop.
pub(crate) fn run(serving: Serving) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    stay_with_small_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(serving.threads)
        .thread_name("tollgate")
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(serve(serving, began))
}

/// The first touch of a huge page clears two megabytes, and whoever is on that thread waits for it:
/// up to ten milliseconds each time that a crowd of new connections needs memory.
fn stay_with_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "the system decides where huge pages are used");
    }
}

async fn serve(serving: Serving, began: Instant) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::install().context("signals cannot be received")?;
    let stack = Stack::boot(serving.plan).await?;
    (serving.ready)(&stack, began.elapsed());

    let Start {
        loaded,
        environment,
        path,
    } = serving.start;
    let watched = path.zip(stack.gateway().cloned());
    let mut reloader = watched.map(|(path, gateway)| {
        Reloader::new(path, loaded.files, environment, gateway).beside(loaded.provider)
    });
    let lame_duck = loop {
        match next_order(&mut signals, reloader.as_mut()).await {
            Order::Stop => break None,
            Order::StopNow => break Some(Duration::ZERO),
            Order::Reload => reload(&stack, reloader.as_mut()).await,
        }
    };
    tracing::info!("stopping; a second signal stops at once");
    let was_clean = tokio::select! {
        was_clean = stack.stop(lame_duck) => was_clean,
        () = signals.stop_again() => false,
    };
    Ok(if was_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn next_order(signals: &mut Signals, reloader: Option<&mut Reloader>) -> Order {
    let changed = async {
        match reloader {
            Some(reloader) => reloader.changed().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signals.terminate.recv() => Order::Stop,
        _ = signals.interrupt.recv() => Order::StopNow,
        _ = signals.hang_up.recv() => Order::Reload,
        () = changed => Order::Reload,
    }
}

async fn reload(stack: &Stack, reloader: Option<&mut Reloader>) {
    if let Some(gateway) = stack.gateway() {
        gateway.reopen_access_log();
    }
    if let Some(idp) = stack.idp() {
        idp.reopen_audit_log().await;
    }
    let Some(reloader) = reloader else {
        tracing::info!("there is no file whose changes could hold before the next start");
        return;
    };
    match reloader.reload().await {
        Ok(applied) if applied.needs_restart.is_empty() => tracing::info!("configuration reloaded"),
        Ok(applied) => tracing::warn!(
            keys = applied.needs_restart.join(", "),
            "configuration reloaded; these keys hold from the next start on"
        ),
        Err(error) => tracing::error!("{error}"),
    }
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn stop_again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
