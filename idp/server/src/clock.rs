//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use idp_token::time::UnixSeconds;

/// Wall clock, as tokens and records carry it.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> UnixSeconds {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixSeconds(since_epoch.as_secs())
}
