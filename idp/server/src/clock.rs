//! The one place that asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idp_token::time::{BootTime, UnixSeconds};
use rustix::time::{ClockId, clock_gettime};

/// Wall clock, as tokens and records carry it.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> UnixSeconds {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixSeconds(since_epoch.as_secs())
}

/// This machine's own, the time it was suspended included: for promises about leases.
pub(crate) fn boot() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    BootTime(Duration::try_from(now).unwrap_or_default())
}
