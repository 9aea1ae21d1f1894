//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Time as an engine sees it: that of the machine, and as much later as somebody set it forward,
/// which tests do to let things grow old.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_millis: Arc<AtomicU64>,
}

impl Clock {
    /// Monotonic, for ages and deadlines.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::now() + self.ahead()
    }

    /// Wall clock, only to be held against dates that services send.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        SystemTime::now() + self.ahead()
    }

    /// So long from now, for an alarm of the runtime. Nobody sets that one's time forward.
    pub(crate) fn alarm_in(&self, left: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + left
    }

    /// Makes it later. Calls under way keep the time they have left.
    pub fn set_forward(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead_millis.load(Ordering::Relaxed))
    }
}
