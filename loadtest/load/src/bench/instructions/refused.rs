//! Requests that the gateway answers itself, since their token is none, or is not there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::task::JoinSet;

use crate::bench::BenchError;
use crate::closed::{Dialogue, Limits, Request};
use crate::dice::Dice;
use crate::revocation::forgery;

use super::callers::Callers;

/// Clients with an address each, since one that is refused too often is told something else.
const CLIENTS: u8 = 16;
/// What one client is refused before it is told so.
const REFUSALS_MAX: u64 = 300;
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

    const fn status(self, number: u64) -> u16 {
        match self {
            Self::Limited if number >= REFUSALS_MAX => 429,
            Self::Unread
            | Self::Cut
            | Self::Forged
            | Self::Expired
            | Self::Ended
            | Self::Limited => 401,
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
        for number in 0..requests {
            let token = self.refusal.token(&self.model, &mut self.dice);
            let request = Request::get(super::PATH);
            let request = request.header(self.refusal.field(), format!("Bearer {token}"));
            let answered = self.dialogue.ask(&request).await;
            let expected = self.refusal.status(number);
            let tally = match answered {
                Ok(answer) if answer.status == expected => continue,
                Ok(answer) => format!("{} where {expected} should be", answer.status),
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
    fn the_last_refusal_of_a_client_that_is_not_told_so_is_the_three_hundredth() {
        let statuses = [REFUSALS_MAX - 1, REFUSALS_MAX].map(|it| Refusal::Limited.status(it));
        assert_eq!(statuses, [401, 429]);
        assert_eq!(Refusal::Forged.status(REFUSALS_MAX), 401);
    }
}
