//! Tasks with a name, whose panic is reported and not lost.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns a task; a panic in it is logged under its name.
#[expect(clippy::disallowed_methods, reason = "this is the named spawn")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(async move {
        let watch = PanicWatch { name };
        let output = future.await;
        drop(watch);
        output
    })
}

struct PanicWatch {
    name: &'static str,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task panicked");
        }
    }
}
