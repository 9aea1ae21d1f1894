//! Requests that the gateway answers itself, since their token is none, or is not there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::BenchError;
use crate::closed::{Dialogue, Limits, Request};
use crate::dice::Dice;
use crate::revocation::forgery;

use super::callers::Callers;

/// Clients with an address each, since one that is refused too often is told something else.
const CLIENTS: u8 = 16;
/// What one client is refused within a span of time before it is told so.
const REFUSALS_MAX: u64 = 300;
const SPAN: Duration = Duration::from_secs(10);
const SEED: u64 = 20_261_129;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A token in a field that nobody reads: as many bytes as of the others.
    Unread,
    /// Too short to be a token of ours.
    Cut,
    /// What has the shape of one, and a tag that is not ours.
    Forged,
    /// The same, of which it says itself that it is over.
    Expired,
    /// One of ours, whose session was ended before the gateway saw it.
    Ended,
    /// Forged ones of a client that has shown too many.
    Limited,
}

impl Refusal {
    pub(super) const ALL: [Self; 6] = [
        Self::Unread,
        Self::Cut,
        Self::Forged,
        Self::Expired,
        Self::Ended,
        Self::Limited,
    ];

    /// In the report for machines.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unread => "without_token",
            Self::Cut => "cut",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Limited => "limited",
        }
    }

    /// In that for people.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Unread => "401 for want of a token",
            Self::Cut => "401 for a token that is too short",
            Self::Forged => "401 for a forged token",
            Self::Expired => "401 for a token that is over",
            Self::Ended => "401 for a token that was ended, remembered as such",
            Self::Limited => "429 for a forged token",
        }
    }

    const fn field(self) -> &'static str {
        match self {
            // As long as the other.
            Self::Unread => "Authorisation",
            Self::Cut | Self::Forged | Self::Expired | Self::Ended | Self::Limited => {
                "Authorization"
            }
        }
    }

    fn token(self, model: &str, dice: &mut Dice) -> String {
        let forged = forgery::forge(model, dice);
        match self {
            Self::Unread | Self::Forged | Self::Limited => forged,
            Self::Cut => forged.get(1..).unwrap_or_default().to_owned(),
            Self::Expired => forgery::expire(&forged),
            Self::Ended => model.to_owned(),
        }
    }

    /// Whether a client that has had so many 401, since it began so long ago, may be told this.
    ///
    /// It does not know when the spans begin in which it is counted, and under valgrind it may see
    /// several of them.
    fn may_have(self, status: u16, unauthorized: u64, since: Duration) -> bool {
        let spans = 2 + since.as_secs() / SPAN.as_secs();
        match (self, status) {
            (Self::Limited, 401) => unauthorized < REFUSALS_MAX * spans,
            (Self::Limited, 429) => unauthorized >= REFUSALS_MAX,
            (_, status) => status == 401,
        }
    }

    /// Who shows it: many, or one alone.
    fn clients(self) -> Vec<IpAddr> {
        let count = if self == Self::Limited { 1 } else { CLIENTS };
        let client = |number| IpAddr::V4(Ipv4Addr::new(127, 3, 0, number + 1));
        (0..count).map(client).collect()
    }
}

/// So many of them, each of which must be refused as it should be.
pub(super) async fn send(
    refusal: Refusal,
    gateway: SocketAddr,
    callers: &Callers,
    requests: u64,
) -> Result<(), BenchError> {
    let clients = refusal.clients();
    let each = requests / clients.len() as u64;
    let mut sending = JoinSet::new();
    for (place, address) in clients.into_iter().enumerate() {
        let models = callers.tokens();
        let model = models.get(place % models.len().max(1));
        let client = Client {
            refusal,
            dialogue: Dialogue::new(gateway, Limits::default()).from(address),
            model: model.cloned().unwrap_or_default(),
            dice: Dice::of(SEED, &["refused", &place.to_string()]),
        };
        sending.spawn(client.send(each));
    }
    for sent in sending.join_all().await {
        sent?;
    }
    Ok(())
}

struct Client {
    refusal: Refusal,
    dialogue: Dialogue,
    model: String,
    dice: Dice,
}

impl Client {
    async fn send(mut self, requests: u64) -> Result<(), BenchError> {
        let began = Instant::now();
        let mut unauthorized = 0;
        for _ in 0..requests {
            let token = self.refusal.token(&self.model, &mut self.dice);
            let request = Request::get(super::PATH);
            let request = request.header(self.refusal.field(), format!("Bearer {token}"));
            let answered = self.dialogue.ask(&request).await;
            let tally = match answered.map(|answer| answer.status) {
                Ok(status) if self.refusal.may_have(status, unauthorized, began.elapsed()) => {
                    unauthorized += u64::from(status == 401);
                    continue;
                }
                Ok(status) => format!("{status} after {unauthorized} times 401"),
                Err(failure) => failure.to_string(),
            };
            let name = super::NAME;
            return Err(BenchError::WrongAnswer { name, tally });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_as_long_as_what_nobody_reads() {
        let model = "tg_at_AAAAAAAAAABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
        let line = |refusal: Refusal| {
            let token = refusal.token(model, &mut Dice::new(1));
            refusal.field().len() + token.len()
        };
        for refusal in Refusal::ALL {
            let missing = usize::from(refusal == Refusal::Cut);
            assert_eq!(
                line(refusal) + missing,
                line(Refusal::Unread),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn who_is_refused_too_often_is_told_so_in_every_span_of_time_anew() {
        let (limited, forged) = (Refusal::Limited, Refusal::Forged);
        #[rustfmt::skip]
        let cases = [
            // shown, status, 401 before, seconds, may be
            (limited, 429, 299,   0, false),
            (limited, 429, 300,   0, true),
            // A span may have ended just after it began.
            (limited, 401, 599,   9, true),
            (limited, 401, 600,   9, false),
            (limited, 401, 600,  10, true),
            (limited, 401, 900,  10, false),
            (limited, 503,   0,   0, false),
            (forged,  401, 4000,  0, true),
            (forged,  429, 4000,  0, false),
        ];
        for (refusal, status, unauthorized, seconds, may) in cases {
            let since = Duration::from_secs(seconds);
            let found = refusal.may_have(status, unauthorized, since);
            assert_eq!(found, may, "{status} after {unauthorized} in {since:?}");
        }
    }
}
