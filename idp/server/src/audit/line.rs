//! How an entry is spelled. Names and their order are stable: whoever collects them depends on it.

use std::fmt;

use idp_core::audit::{Entry, Event};
use idp_core::id::UserId;
use idp_token::digest::Tid;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use serde::{Serialize, Serializer};

/// Most lines fit in.
const USUAL_BYTES: usize = 320;

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    event: &'static str,
    /// The error that a client was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Shown<UserId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Shown<SessionId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Shown<Tid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

/// As it is shown, without the detour of a text of its own.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Spells lines, and each second once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    second: UnixSeconds,
    moment: String,
}

/// One line, its line feed included.
pub(super) fn text(entry: &Entry) -> String {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    Lines::default().spell(entry, &mut text);
    String::from_utf8(text).expect("invariant: JSON is text")
}

impl Lines {
    /// Behind whatever is there already.
    pub(super) fn spell(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        if self.second != entry.at || self.moment.is_empty() {
            self.second = entry.at;
            self.moment = Moment(entry.at).to_string();
        }
        spell(entry, &self.moment, out);
    }
}

fn spell(entry: &Entry, time: &str, out: &mut Vec<u8>) {
    let about = &entry.about;
    let reason = if let Event::Refused(refusal) = entry.event {
        Some(refusal.reply().code)
    } else {
        None
    };
    let line = Line {
        time,
        event: entry.event.as_str(),
        reason,
        user: about.user.map(Shown),
        client: about.client.as_ref().map(|id| id.as_str()),
        tenant: about.tenant.as_ref().map(|id| id.as_str()),
        session: about.session.map(Shown),
        token: about.token.map(Shown),
        actor: about.actor.as_deref(),
    };
    serde_json::to_writer(&mut *out, &line).expect("invariant: texts under names that are texts");
    out.push(b'\n');
}

/// RFC 3339, in UTC.
struct Moment(UnixSeconds);

const DAY_SECONDS: u64 = 86_400;
/// 9999-12-31T23:59:59Z: the last second that four digits of a year can say.
const SECONDS_MAX: u64 = 253_402_300_799;

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0.min(SECONDS_MAX);
        let (year, month, day) = date(seconds / DAY_SECONDS);
        let seconds = seconds % DAY_SECONDS;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// The date of a day since 1970-01-01, in the Gregorian calendar.
///
/// Years begin in March here, so that the day that is not always there is the last one; an era of
/// 400 years always has as many days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let leaps = day / 1_460 - day / 36_524 + day / 146_096;
    let year = (day - leaps) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    (era * 400 + year + u64::from(is_next_year), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spelled_as_rfc_3339_says() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (SECONDS_MAX, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Moment(UnixSeconds(seconds)).to_string(), text);
        }
    }
}
