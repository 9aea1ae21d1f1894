//! Was this form shown to this browser, by this process, a short while ago, and for just this?
//!
//! Each form carries a proof: a MAC over what it is for, when it was made, the browser it was shown
//! to, who was signed in there, and the request in full. A proof of one page is worth nothing on
//! another, for another request or in another browser. Its key lives as long as the process: after
//! a restart the page is shown once more.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_core::id::LoginId;
use idp_token::time::UnixSeconds;

use super::cookies::Browser;
use crate::random::{self, NoRandom};

/// How long somebody may look at a page before they answer.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A sign-in counts as just done for this long, so that whoever asked for a fresh one gets it.
const FRESH: Duration = Duration::from_secs(10 * 60);

const HEAD_BYTES: usize = 9;
const TAG_BYTES: usize = 32;

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    SignIn,
    Consent,
    /// Of somebody who signed in for this very request.
    ConsentAfterSignIn,
    SignOut,
    Withdraw,
}

impl Purpose {
    const ALL: [Self; 5] = [
        Self::SignIn,
        Self::Consent,
        Self::ConsentAfterSignIn,
        Self::SignOut,
        Self::Withdraw,
    ];

    const fn byte(self) -> u8 {
        match self {
            Self::SignIn => 1,
            Self::Consent => 2,
            Self::ConsentAfterSignIn => 3,
            Self::SignOut => 4,
            Self::Withdraw => 5,
        }
    }

    const fn lifetime(self) -> Duration {
        match self {
            Self::SignIn | Self::Consent | Self::SignOut | Self::Withdraw => LIFETIME,
            Self::ConsentAfterSignIn => FRESH,
        }
    }
}

/// Whom a form is shown to, and for which request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) browser: Browser,
    pub(super) login: Option<LoginId>,
    pub(super) query: &'a str,
}

pub(super) struct Forms {
    key: hmac::Key,
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forms([redacted])")
    }
}

impl Forms {
    pub(super) fn new() -> Result<Self, NoRandom> {
        let secret = random::bytes::<32>()?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// To be sent back with the form.
    pub(super) fn prove(&self, purpose: Purpose, shown: &Shown<'_>, now: UnixSeconds) -> String {
        let mut proof = head(purpose, now).to_vec();
        let tag = hmac::sign(&self.key, &covered(&proof, shown));
        proof.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(proof)
    }

    /// What the form was for that came back with this proof; none if it proves nothing any more.
    pub(super) fn verify(
        &self,
        proof: &str,
        shown: &Shown<'_>,
        now: UnixSeconds,
    ) -> Option<Purpose> {
        let bytes = URL_SAFE_NO_PAD.decode(proof).ok()?;
        let (head, tag) = bytes.split_at_checked(HEAD_BYTES)?;
        if tag.len() != TAG_BYTES {
            return None;
        }
        hmac::verify(&self.key, &covered(head, shown), tag).ok()?;
        let (first, at) = head.split_first()?;
        let purpose = Purpose::ALL.into_iter().find(|it| it.byte() == *first)?;
        let at = UnixSeconds(u64::from_be_bytes(at.try_into().ok()?));
        // A clock that was set back makes no form last longer.
        let is_lasting = at <= now && now.since(at) < purpose.lifetime();
        is_lasting.then_some(purpose)
    }
}

fn head(purpose: Purpose, now: UnixSeconds) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let (first, at) = head.split_at_mut(1);
    first.fill(purpose.byte());
    at.copy_from_slice(&now.0.to_be_bytes());
    head
}

/// All but the last part have one length, so that no two forms are covered alike.
fn covered(head: &[u8], shown: &Shown<'_>) -> Vec<u8> {
    let nobody = [0; 16];
    let login = shown.login.map_or(nobody, |login| login.0);
    let mut covered = head.to_vec();
    covered.extend_from_slice(&shown.browser.0);
    covered.push(u8::from(shown.login.is_some()));
    covered.extend_from_slice(&login);
    covered.extend_from_slice(shown.query.as_bytes());
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000_000);

    fn shown() -> Shown<'static> {
        Shown {
            browser: Browser([1; 16]),
            login: None,
            query: "client_id=web",
        }
    }

    #[test]
    fn a_proof_is_good_for_what_it_was_made_for_and_for_nothing_else() {
        let forms = Forms::new().unwrap();
        let proof = forms.prove(Purpose::SignIn, &shown(), NOW);
        assert_eq!(forms.verify(&proof, &shown(), NOW), Some(Purpose::SignIn));

        let others = [
            Shown {
                browser: Browser([2; 16]),
                ..shown()
            },
            Shown {
                login: Some(LoginId([0; 16])),
                ..shown()
            },
            Shown {
                query: "client_id=we",
                ..shown()
            },
            Shown {
                query: "",
                ..shown()
            },
        ];
        for other in others {
            assert_eq!(forms.verify(&proof, &other, NOW), None, "{other:?}");
        }
        let of_another_process = Forms::new().unwrap();
        assert_eq!(of_another_process.verify(&proof, &shown(), NOW), None);
        for wrong in ["", "AAAA", &proof[1..], &format!("{proof}AAAA")] {
            assert_eq!(forms.verify(wrong, &shown(), NOW), None);
        }
    }

    #[test]
    fn a_proof_of_one_page_cannot_be_made_one_of_another() {
        let forms = Forms::new().unwrap();
        let proof = forms.prove(Purpose::Consent, &shown(), NOW);
        let mut bytes = URL_SAFE_NO_PAD.decode(proof).unwrap();
        bytes[0] = Purpose::ConsentAfterSignIn.byte();
        let changed = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(forms.verify(&changed, &shown(), NOW), None);
    }

    #[test]
    fn a_proof_ends_and_never_begins_in_the_future() {
        let forms = Forms::new().unwrap();
        let cases = [
            (Purpose::SignIn, LIFETIME),
            (Purpose::Consent, LIFETIME),
            (Purpose::ConsentAfterSignIn, FRESH),
            (Purpose::SignOut, LIFETIME),
            (Purpose::Withdraw, LIFETIME),
        ];
        for (purpose, lifetime) in cases {
            let proof = forms.prove(purpose, &shown(), NOW);
            let last = UnixSeconds(NOW.0 + lifetime.as_secs() - 1);
            let found = |at| forms.verify(&proof, &shown(), at);
            assert_eq!(found(last), Some(purpose));
            assert_eq!(found(NOW.after(lifetime)), None, "{purpose:?}");
            assert_eq!(found(UnixSeconds(NOW.0 - 1)), None, "{purpose:?}");
        }
    }
}
