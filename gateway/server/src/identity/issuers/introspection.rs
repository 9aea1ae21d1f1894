//! Opaque tokens, about which their issuer is asked (RFC 7662).
//!
//! A token is asked about once at a time, however many requests show it. A good one is remembered for
//! as long as the policy allows, counted from before the question was sent. An answer that cannot be read
//! means that nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_core::caller::Caller;
use gateway_core::verdict::{Invalid, Unknown};
use http::HeaderValue;
use idp_token::digest::TokenDigest;
use idp_token::external::answer::{ANSWER_BYTES_MAX, Answer, AnswerError};
use idp_token::external::{Holder, Policy};
use idp_token::time::{BootTime, UnixSeconds};
use tokio::sync::Semaphore;
use tollgate_config::{Place, Secret};
use zeroize::Zeroizing;

use super::super::flights::Flights;
use super::http::{AskError, Asked};
use super::memory::{Memory, Verdict};
use super::{Outcome, Shown};
use crate::clock;
use crate::metrics::{Asking, IssuerMetrics};

/// For one question and its answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// Questions at one issuer at a time; others wait for their turn, and not for long.
const AT_ONCE_MAX: usize = 64;
const TURN_MAX: Duration = Duration::from_secs(1);
/// No keys are involved in what is remembered here.
const NO_KEYS: u64 = 0;

#[derive(Debug)]
pub(super) struct Introspection {
    name: Arc<str>,
    at: Asked,
    authorization: HeaderValue,
    policy: Policy,
    flights: Arc<Flights<Outcome>>,
    turns: Semaphore,
    memory: Memory,
    is_well: AtomicBool,
    metrics: IssuerMetrics,
}

/// Why an issuer has not said anything about a token.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("too many tokens are being asked about")]
    Full,
    #[error("the issuer could not be asked")]
    Ask(#[from] AskError),
    #[error("the answer of the issuer is none")]
    Answer(#[from] AnswerError),
}

impl Introspection {
    pub(super) fn new(
        (name, at): (&Arc<str>, &Place),
        (client_id, secret): (&str, &Secret),
        policy: &Policy,
        metrics: IssuerMetrics,
    ) -> Self {
        Self {
            name: Arc::clone(name),
            at: Asked::new(at, DEADLINE, ANSWER_BYTES_MAX),
            authorization: basic(client_id, secret),
            policy: policy.clone(),
            flights: Flights::new(),
            turns: Semaphore::new(AT_ONCE_MAX),
            memory: Memory::new(),
            is_well: AtomicBool::new(true),
            metrics,
        }
    }

    /// Whoever holds a token of which that is known already.
    pub(super) fn known(&self, digest: &TokenDigest) -> Option<Arc<Caller>> {
        let now = (clock::boot(), clock::unix_seconds());
        self.memory.find(digest, NO_KEYS, now)
    }

    pub(super) async fn identify(self: &Arc<Self>, shown: Shown<'_>) -> Result<Outcome, Unknown> {
        let now = clock::boot();
        let anytime = BootTime(Duration::ZERO);
        let (asker, digest) = (Arc::clone(self), shown.digest);
        let form = Zeroizing::new(form(shown.text));
        let look_up = move || async move { asker.ask(digest, form).await };
        self.flights.join(digest, (now, anytime), look_up).await
    }

    async fn ask(&self, digest: TokenDigest, form: Zeroizing<String>) -> Result<Outcome, Unknown> {
        let began = clock::boot();
        let answer = self.answer(&form).await;
        self.note(&answer);
        match answer {
            Ok(Answer::Active(holder)) => Ok(self.remember(&digest, &holder, began)),
            Ok(Answer::Inactive) => Ok(Outcome::Bad(Invalid::Inactive)),
            Ok(Answer::Unacceptable(why)) => Ok(Outcome::Bad(why.into())),
            Err(Unanswered::Full) => Err(Unknown::Overloaded),
            Err(Unanswered::Ask(_) | Unanswered::Answer(_)) => Err(Unknown::Unreachable),
        }
    }

    async fn answer(&self, form: &str) -> Result<Answer, Unanswered> {
        let turn = tokio::time::timeout(TURN_MAX, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Unanswered::Full)?;
        let form = Bytes::copy_from_slice(form.as_bytes());
        let text = self.at.post(self.authorization.clone(), form).await?;
        Ok(Answer::read(&text, &self.policy, clock::unix_seconds())?)
    }

    fn remember(&self, digest: &TokenDigest, holder: &Holder, began: BootTime) -> Outcome {
        let until = BootTime(began.0 + self.policy.max_age);
        let ends_at = holder.ends_at.unwrap_or(UnixSeconds(u64::MAX));
        let verdict = Verdict::new(digest, holder, (until, ends_at), NO_KEYS);
        let caller = verdict.caller();
        self.memory.insert(*digest, verdict);
        Outcome::Good(caller)
    }

    /// One line when it begins to fail and one when that is over.
    fn note(&self, answer: &Result<Answer, Unanswered>) {
        let is_well = answer.is_ok();
        let was_well = self.is_well.swap(is_well, Ordering::Relaxed);
        let issuer = &*self.name;
        match answer {
            Ok(_) => {
                self.metrics.count_asked(Asking::Answered);
                if !was_well {
                    tracing::info!(issuer, "an issuer tells about its tokens again");
                }
            }
            Err(reason) => {
                self.metrics.count_asked(Asking::Failed);
                if was_well {
                    let error = reason as &dyn std::error::Error;
                    tracing::warn!(issuer, error, "an issuer does not tell about its tokens");
                }
            }
        }
    }
}

/// RFC 6749 §2.3.1: both are spelled as in a form before they are joined.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let mut joined = Zeroizing::new(String::new());
    spell(client_id, &mut joined);
    joined.push(':');
    spell(secret.expose(), &mut joined);
    let encoded = Zeroizing::new(format!("Basic {}", STANDARD.encode(joined.as_bytes())));
    let mut value =
        HeaderValue::from_str(&encoded).expect("invariant: a scheme and base64 are a field value");
    value.set_sensitive(true);
    value
}

fn form(token: &str) -> String {
    let mut form = String::with_capacity(token.len() + 64);
    form.push_str("token=");
    spell(token, &mut form);
    form.push_str("&token_type_hint=access_token");
    form
}

/// As `application/x-www-form-urlencoded` has it.
fn spell(text: &str, out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or('0');
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}
