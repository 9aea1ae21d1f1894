//! The one way to start a task: with a name, under which a panic is reported.

use tokio::task::JoinHandle;

pub(crate) fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the named spawn")]
    tokio::spawn(async move {
        let _report = PanicReport(name);
        task.await
    })
}

/// Lives as long as the task does and speaks only when the task's end is a panic.
struct PanicReport(&'static str);

impl Drop for PanicReport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.0, "a task panicked");
        }
    }
}
