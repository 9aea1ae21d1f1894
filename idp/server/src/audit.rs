//! What was done, by whom and when.

use idp_core::audit::Entry;

#[derive(Debug, Default)]
pub(crate) struct Audit;

impl Audit {
    #[expect(clippy::unused_async, reason = "a full queue is waited for")]
    pub(crate) async fn log(&self, entry: Entry) {
        tracing::info!(event = entry.event.as_str(), about = ?entry.about, "audit");
    }
}
