//! What is to go wrong on purpose, and with which request.
//!
//! A service has at most one set of faults. Every request it applies to draws a number of a seeded
//! sequence, so the same requests in the same order meet the same faults. Latency comes on top of
//! everything; of the other faults a request meets at most one, which is why their shares add up.
//!
//! Where a fault strikes is part of its meaning. `latency`, `error` and `hang` come before the
//! request is looked at: it had no effect. `work` is the time a write takes while its idempotency
//! key is in flight. `reset`, `short_body`, `garbage` and `oversize_head` spoil the answer of a
//! request that was carried out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::seed::{below, random};

/// Longer delays than this are a hang.
const LATENCY_MS_MAX: u32 = 600_000;
const RULES_MAX: usize = 32;

/// A set of faults as the admin port takes and shows it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FaultsAsWritten {
    seed: u64,
    latency: Option<Latency>,
    work: Option<Latency>,
    error: Option<ErrorShare>,
    hang: f64,
    reset: f64,
    short_body: f64,
    garbage: f64,
    oversize_head: f64,
    /// Where the faults apply; without a rule, to everything but `/healthz`.
    only: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Latency {
    Fixed { ms: u32 },
    Uniform { from_ms: u32, to_ms: u32 },
    Tail { ms: u32, tail_ms: u32, share: f64 },
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ErrorShare {
    share: f64,
    status: u16,
}

/// What is left out matches everything. `path` is a route as it is written (`/members/{id}`),
/// `endpoint` counts the listeners of the service from zero.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    endpoint: Option<usize>,
    method: Option<String>,
    path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FaultsError {
    #[error("a share lies between 0 and 1, and the shares of all faults add up to 1 at most")]
    Share,
    #[error("an injected error has a status between 400 and 599")]
    Status,
    #[error("a latency has at most {LATENCY_MS_MAX} ms and does not end before it begins")]
    Latency,
    #[error("at most {RULES_MAX} rules can be given")]
    Rules,
}

/// A set of faults that may be used.
#[derive(Debug)]
pub(crate) struct Faults {
    written: FaultsAsWritten,
    error_status: StatusCode,
    draws: AtomicU64,
}

/// What a request is known by where faults are chosen and requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) endpoint: usize,
    pub(crate) method: &'static str,
    pub(crate) path: std::sync::Arc<str>,
}

/// What one request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) latency: Duration,
    pub(crate) work: Duration,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Spared,
    Error(StatusCode),
    Hang,
    Spoiled(Spoil),
}

/// An answer that only raw bytes can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// Half the body, then a TCP reset.
    Reset,
    /// Half the body, then an orderly end before `Content-Length` is reached.
    ShortBody,
    /// Bytes that are no HTTP.
    Garbage,
    /// A head larger than anybody should take.
    OversizeHead,
    /// The end of the connection instead of an answer.
    Silence,
}

impl FaultsAsWritten {
    pub(crate) fn compile(self) -> Result<Faults, FaultsError> {
        self.check_shares()?;
        for latency in [self.latency, self.work].into_iter().flatten() {
            latency.check()?;
        }
        if self.only.len() > RULES_MAX {
            return Err(FaultsError::Rules);
        }
        let status = self.error.map_or(503, |error| error.status);
        if !(400..=599).contains(&status) {
            return Err(FaultsError::Status);
        }
        let error_status = StatusCode::from_u16(status).map_err(|_| FaultsError::Status)?;
        Ok(Faults {
            written: self,
            error_status,
            draws: AtomicU64::new(0),
        })
    }

    fn check_shares(&self) -> Result<(), FaultsError> {
        let shares = self.shares().map(|(share, _)| share);
        // A hair over one is what ten tenths may add up to.
        let is_sound =
            shares.iter().all(|share| is_share(*share)) && shares.iter().sum::<f64>() <= 1.0 + 1e-9;
        if is_sound {
            Ok(())
        } else {
            Err(FaultsError::Share)
        }
    }

    fn shares(&self) -> [(f64, Strike); 6] {
        [
            (self.error.map_or(0.0, |error| error.share), Strike::Error),
            (self.hang, Strike::Hang),
            (self.reset, Strike::Spoil(Spoil::Reset)),
            (self.short_body, Strike::Spoil(Spoil::ShortBody)),
            (self.garbage, Strike::Spoil(Spoil::Garbage)),
            (self.oversize_head, Strike::Spoil(Spoil::OversizeHead)),
        ]
    }
}

#[derive(Clone, Copy)]
enum Strike {
    Error,
    Hang,
    Spoil(Spoil),
}

fn is_share(share: f64) -> bool {
    (0.0..=1.0).contains(&share)
}

impl Latency {
    fn check(self) -> Result<(), FaultsError> {
        let (from, to, share) = match self {
            Self::Fixed { ms } => (ms, ms, 0.0),
            Self::Uniform { from_ms, to_ms } => (from_ms, to_ms, 0.0),
            Self::Tail { ms, tail_ms, share } => (ms, tail_ms, share),
        };
        if !is_share(share) {
            return Err(FaultsError::Share);
        }
        if from <= to && to <= LATENCY_MS_MAX {
            Ok(())
        } else {
            Err(FaultsError::Latency)
        }
    }

    fn draw(self, random: u64) -> Duration {
        let ms = match self {
            Self::Fixed { ms } => ms,
            Self::Uniform { from_ms, to_ms } => from_ms + below(random, to_ms - from_ms + 1),
            Self::Tail { tail_ms, share, .. } if unit(random) < share => tail_ms,
            Self::Tail { ms, .. } => ms,
        };
        Duration::from_millis(ms.into())
    }
}

impl Rule {
    fn applies_to(&self, seen: &Seen) -> bool {
        self.endpoint
            .is_none_or(|endpoint| endpoint == seen.endpoint)
            && self
                .method
                .as_deref()
                .is_none_or(|method| method == seen.method)
            && self.path.as_deref().is_none_or(|path| path == &*seen.path)
    }
}

impl Faults {
    pub(crate) fn written(&self) -> &FaultsAsWritten {
        &self.written
    }

    /// What this request meets; nothing where the faults do not apply to it.
    pub(crate) fn draw(&self, seen: &Seen) -> Option<Drawn> {
        if !self.applies_to(seen) {
            return None;
        }
        let n = self.draws.fetch_add(1, Ordering::Relaxed);
        let random = |purpose: u64| random(self.written.seed ^ (purpose << 56), n);
        let latency =
            |latency: Option<Latency>, random| latency.map_or(Duration::ZERO, |l| l.draw(random));
        Some(Drawn {
            latency: latency(self.written.latency, random(1)),
            work: latency(self.written.work, random(2)),
            fate: self.fate(unit(random(3))),
        })
    }

    fn applies_to(&self, seen: &Seen) -> bool {
        if self.written.only.is_empty() {
            return &*seen.path != "/healthz";
        }
        self.written.only.iter().any(|rule| rule.applies_to(seen))
    }

    fn fate(&self, drawn: f64) -> Fate {
        let mut reached = 0.0;
        for (share, strike) in self.written.shares() {
            reached += share;
            if drawn < reached {
                return match strike {
                    Strike::Error => Fate::Error(self.error_status),
                    Strike::Hang => Fate::Hang,
                    Strike::Spoil(spoil) => Fate::Spoiled(spoil),
                };
            }
        }
        Fate::Spared
    }
}

/// A random number as a fraction of one, one excluded.
fn unit(random: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    (random >> 11) as f64 / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        serde_json::from_str::<FaultsAsWritten>(text)
            .unwrap()
            .compile()
            .unwrap()
    }

    fn seen(method: &'static str, path: &str) -> Seen {
        Seen {
            endpoint: 0,
            method,
            path: path.into(),
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let text =
            r#"{"seed":7,"reset":0.3,"hang":0.2,"latency":{"uniform":{"from_ms":1,"to_ms":90}}}"#;
        let draw = |faults: Faults| {
            (0..200)
                .map(|_| faults.draw(&seen("GET", "/")))
                .collect::<Vec<_>>()
        };
        let first = draw(faults(text));
        assert_eq!(first, draw(faults(text)));
        assert_ne!(first, draw(faults(&text.replace('7', "8"))));
    }

    #[test]
    fn shares_are_met_within_a_few_percent() {
        let faults = faults(
            r#"{"error":{"share":0.25,"status":500},"garbage":0.25,"latency":{"tail":{"ms":1,"tail_ms":9,"share":0.1}}}"#,
        );
        let drawn: Vec<_> = (0..10_000)
            .filter_map(|_| faults.draw(&seen("GET", "/")))
            .collect();
        let count = |fate| drawn.iter().filter(|drawn| drawn.fate == fate).count();
        assert!((2_300..2_700).contains(&count(Fate::Error(StatusCode::INTERNAL_SERVER_ERROR))));
        assert!((2_300..2_700).contains(&count(Fate::Spoiled(Spoil::Garbage))));
        assert!((4_700..5_300).contains(&count(Fate::Spared)));
        let slow = drawn
            .iter()
            .filter(|drawn| drawn.latency.as_millis() == 9)
            .count();
        assert!((800..1_200).contains(&slow));
    }

    #[test]
    fn faults_apply_where_a_rule_says_so_and_spare_the_health_check_otherwise() {
        let everywhere = faults(r#"{"hang":1}"#);
        assert!(everywhere.draw(&seen("GET", "/members/{id}")).is_some());
        assert!(everywhere.draw(&seen("GET", "/healthz")).is_none());
        let ruled = faults(
            r#"{"hang":1,"only":[{"method":"POST","path":"/transfers"},{"path":"/healthz"},{"endpoint":1}]}"#,
        );
        assert!(ruled.draw(&seen("POST", "/transfers")).is_some());
        assert!(ruled.draw(&seen("GET", "/transfers")).is_none());
        assert!(ruled.draw(&seen("GET", "/healthz")).is_some());
        assert!(
            ruled
                .draw(&Seen {
                    endpoint: 1,
                    ..seen("GET", "/balances")
                })
                .is_some()
        );
    }

    #[test]
    fn a_set_of_faults_that_makes_no_sense_is_refused() {
        for (text, error) in [
            (r#"{"hang":1.5}"#, FaultsError::Share),
            (r#"{"hang":-0.1}"#, FaultsError::Share),
            (r#"{"hang":0.6,"reset":0.6}"#, FaultsError::Share),
            (
                r#"{"latency":{"tail":{"ms":1,"tail_ms":2,"share":2}}}"#,
                FaultsError::Share,
            ),
            (r#"{"error":{"share":1,"status":200}}"#, FaultsError::Status),
            (
                r#"{"error":{"share":1,"status":9999}}"#,
                FaultsError::Status,
            ),
            (
                r#"{"latency":{"uniform":{"from_ms":5,"to_ms":4}}}"#,
                FaultsError::Latency,
            ),
            (r#"{"work":{"fixed":{"ms":600001}}}"#, FaultsError::Latency),
        ] {
            let written: FaultsAsWritten = serde_json::from_str(text).unwrap();
            assert_eq!(written.compile().unwrap_err(), error, "{text}");
        }
        for text in [
            r#"{"hangs":1}"#,
            r#"{"latency":{"fixed":{"s":1}}}"#,
            r#"{"only":[{"paht":"/"}]}"#,
        ] {
            assert!(
                serde_json::from_str::<FaultsAsWritten>(text).is_err(),
                "{text}"
            );
        }
    }
}
