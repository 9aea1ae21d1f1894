//! Issuers on real sockets: scripted ones, that say what no honest issuer would.

use std::time::Duration;

use gateway_core::rejection::Rejection;
use gateway_core::verdict::{Invalid, Unknown};
use idp_token::external::Unacceptable;
use idp_token::value::JwsError;

use super::*;
use scripted::{Says, Scripted, Signer, claims, issuer_by_keys, issuer_by_question};

mod asked;
mod introspection;
mod keys;
mod scripted;
mod secured;

fn built(policies: &[Policy]) -> Issuers {
    Issuers::build(policies, None, &Metrics::new().unwrap())
}

/// The one issuer of this section.
fn one(policy: &Policy) -> Arc<Issuer> {
    let issuers = built(std::slice::from_ref(policy));
    Arc::clone(issuers.find(&policy.name).unwrap())
}

impl Issuer {
    async fn identify(&self, token: &str) -> Result<Arc<Caller>, Denied> {
        self.look_into(Shown::of(token), Effort::Any).await
    }

    fn known(&self, token: &str) -> Option<Arc<Caller>> {
        self.recall(&Shown::of(token))
    }
}

fn subject(identified: Result<Arc<Caller>, Denied>) -> Result<String, Rejection> {
    let subject = identified.map(|caller| caller.subject.to_string());
    subject.map_err(|denied| denied.rejection)
}

fn good(subject: &str) -> Result<String, Rejection> {
    Ok(subject.to_owned())
}

fn bad(why: impl Into<Unacceptable>) -> Result<String, Rejection> {
    Err(Invalid::External(why.into()).into())
}

fn unknown() -> Result<String, Rejection> {
    Err(Unknown::Unreachable.into())
}

#[tokio::test]
async fn what_one_issuer_says_does_not_count_for_another() {
    let (mine, theirs) = (Signer::new("k"), Signer::new("k"));
    let (a, b) = (
        Scripted::start(Says::keys(&[&mine])).await,
        Scripted::start(Says::keys(&[&theirs])).await,
    );
    let both = Scripted::start(Says::keys(&[&mine])).await;
    let issuers = built(&[
        issuer_by_keys("a", a.address),
        issuer_by_keys("b", b.address),
        issuer_by_keys("c", both.address),
    ]);
    let token = mine.sign(&claims("a"));
    let found = |name: &str| Arc::clone(issuers.find(name).unwrap());
    assert_eq!(subject(found("a").identify(&token).await), good("ann"));
    assert!(found("a").known(&token).is_some());
    // A key of the same name that is another one, and the same key for another issuer.
    let refused = bad(JwsError::Signature);
    assert_eq!(subject(found("b").identify(&token).await), refused);
    let refused = bad(Unacceptable::Issuer);
    assert_eq!(subject(found("c").identify(&token).await), refused);
    for name in ["b", "c"] {
        assert!(found(name).known(&token).is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_an_issuer_whose_section_is_the_same() {
    let signer = Signer::new("k");
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let policy = issuer_by_keys("a", scripted.address);
    let before = built(std::slice::from_ref(&policy));
    let token = signer.sign(&claims("a"));
    let identified = before.find("a").unwrap().identify(&token).await;
    assert_eq!(subject(identified), good("ann"));

    let metrics = Metrics::new().unwrap();
    let after = Issuers::build(std::slice::from_ref(&policy), Some(&before), &metrics);
    assert!(after.find("a").unwrap().known(&token).is_some());
    let mut stricter = policy.clone();
    stricter.policy.audience = vec!["bank".to_owned()];
    let after = Issuers::build(&[stricter], Some(&after), &metrics);
    let issuer = after.find("a").unwrap();
    assert!(issuer.known(&token).is_none());
    let refused = bad(Unacceptable::Audience);
    assert_eq!(subject(issuer.identify(&token).await), refused);
    assert_eq!(after.names().collect::<Vec<_>>(), ["a"]);
}
