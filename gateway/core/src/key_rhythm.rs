//! When are the keys of another issuer fetched, and what becomes of a token whose key is not there?
//!
//! Keys are fetched at a rhythm of their own, and once more when a token names one that is not there,
//! since the issuer may have changed them. Anybody can make up such a token. So whatever is sent, that
//! happens once in [`COOLDOWN`] and there is one fetch at a time; until the next one may begin, the
//! last answer stands. Issuers publish a key before they sign with it, so nobody honest notices.
//!
//! Keys that were fetched are kept until better ones come, for [`KEPT_MAX`] at most: an issuer that
//! cannot be reached takes no key back.

use std::time::Duration;

use idp_token::time::BootTime;

/// Between two fetches that tokens asked for.
pub const COOLDOWN: Duration = Duration::from_secs(5);
/// After a fetch that failed while there are no keys.
pub const RETRY: Duration = Duration::from_secs(1);
/// Without a fetch that went well.
pub const KEPT_MAX: Duration = Duration::from_secs(24 * 3600);
const EVERY_MAX: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone)]
pub struct KeyRhythm {
    every: Duration,
    /// A token asked for a fetch that has not begun yet.
    is_wanted: bool,
    under_way: Option<BootTime>,
    /// When the last fetch began, when the last that went well, and when a token last asked for one.
    tried: Option<BootTime>,
    good: Option<BootTime>,
    asked: Option<BootTime>,
}

/// What becomes of a token whose key is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A fetch begins or is under way: look again when it has ended.
    Wait,
    /// The issuer was asked just now and has no such key.
    Absent,
    /// Nobody knows: the issuer cannot be asked.
    Unknown,
}

impl KeyRhythm {
    /// What is taken back shall be noticed about as soon as everything else of this issuer.
    #[must_use]
    pub fn new(max_age: Duration) -> Self {
        Self {
            every: (max_age / 2).clamp(COOLDOWN, EVERY_MAX),
            is_wanted: false,
            under_way: None,
            tried: None,
            good: None,
            asked: None,
        }
    }

    /// How long until the next fetch that nobody asks for.
    #[must_use]
    pub fn pause(&self, now: BootTime) -> Duration {
        let Some(tried) = self.tried else {
            return Duration::ZERO;
        };
        let span = match () {
            () if self.good == self.tried => self.every,
            () if self.may_trust(now) => COOLDOWN,
            () => RETRY,
        };
        (tried.0 + span).saturating_sub(now.0)
    }

    /// Whether a fetch is to begin.
    #[must_use]
    pub fn is_due(&self, now: BootTime) -> bool {
        self.is_wanted || self.pause(now).is_zero()
    }

    pub fn begin(&mut self, now: BootTime) {
        self.is_wanted = false;
        self.under_way = Some(now);
        self.tried = Some(now);
    }

    /// The fetch that began last has ended. Whether it brought keys that are of use.
    pub fn end(&mut self, went_well: bool) {
        let began = self.under_way.take();
        if went_well {
            self.good = began;
        }
    }

    /// Whether the keys that are there may be used.
    #[must_use]
    pub fn may_trust(&self, now: BootTime) -> bool {
        self.good.is_some_and(|good| is_within(KEPT_MAX, good, now))
    }

    /// Decides about a token whose key is not there, or that came before there were any keys. `Wait`
    /// promises a fetch: whoever hears it sees to it that one begins.
    pub fn missing(&mut self, now: BootTime) -> Missing {
        if self.is_wanted || self.under_way.is_some() {
            return Missing::Wait;
        }
        if !self.may_trust(now) {
            return Missing::Unknown;
        }
        match self.asked {
            Some(asked) if is_within(COOLDOWN, asked, now) => match self.good {
                Some(good) if good >= asked => Missing::Absent,
                Some(_) | None => Missing::Unknown,
            },
            Some(_) | None => {
                self.asked = Some(now);
                self.is_wanted = true;
                Missing::Wait
            }
        }
    }
}

fn is_within(span: Duration, then: BootTime, now: BootTime) -> bool {
    now.0.saturating_sub(then.0) < span
}

#[cfg(test)]
mod tests;
