//! Who is asking, and may they? Every request brings a value token, which is verified here.
//!
//! A service believes nobody but the issuer's keys: not the network, not the gateway in front of
//! it. A token must be whole, of this issuer, for this audience, not expired, and must have every
//! scope of the endpoint (RFC 6750, RFC 9068). `/healthz` stays open.
//!
//! | what is wrong | answer |
//! |---|---|
//! | no token | 401 `token_missing`, `WWW-Authenticate: Bearer` |
//! | a token that is not believed, whatever the reason | 401 `token_invalid`, `error="invalid_token"` |
//! | a scope is missing | 403 `insufficient_scope`, with the scopes that are needed |
//! | no key set could be fetched since the start | 503 `keys_unavailable` with `Retry-After` |
//!
//! There is one other credential: the services make it for themselves when they start, it never
//! leaves the process but between them, and it opens the two endpoints that take a remittance back
//! and nothing else. A remittance may have to be undone long after the token has expired that it was
//! asked for with.

mod keys;
mod scopes;

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::time::UnixSeconds;

pub(crate) use self::keys::Keys;
pub use self::keys::{JwksUrlError, KeyRefresh};
use self::scopes::Access;
use crate::clock::Clock;
use crate::desk::Desk;
use crate::faults::Seen;
use crate::problem::Refusal;
use crate::service::Service;

const UNDO_SECRET_BYTES: usize = 32;

/// Whose tokens the services believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// What `iss` must be.
    pub issuer: String,
    /// Where the issuer publishes its keys: an `http:` address, for no TLS is spoken here.
    pub jwks_url: String,
    /// What `aud` must name.
    pub audience: String,
}

/// What stands in front of the routes of one service.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) service: Service,
    pub(crate) desk: Arc<Desk>,
    pub(crate) keys: Keys,
    pub(crate) undo: UndoCredential,
    pub(crate) clock: Clock,
}

/// A credential as a header carries it. Not shown, not even to us.
#[derive(Clone)]
pub(crate) struct Bearer(HeaderValue);

/// What the services undo remittances with.
#[derive(Clone, Debug)]
pub(crate) struct UndoCredential {
    digest: TokenDigest,
    bearer: Bearer,
}

/// The layer around the routes of a service, inside the one that counts.
pub(crate) async fn demand(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let scopes = match scopes::find(guard.service, request.method(), path) {
        Access::Open => return next.run(request).await,
        Access::Nobody => return not_allowed(guard.service, path),
        Access::Scopes(scopes) => scopes,
    };
    let is_undoing = scopes::is_undoing(guard.service, request.method(), path);
    let seen = request.extensions().get::<Seen>().cloned();
    let admitted = match Bearer::find(request.headers()) {
        Ok(bearer) if is_undoing && guard.undo.is(&bearer) => Ok(bearer),
        Ok(bearer) => guard.believe(bearer, scopes, seen).await,
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok(bearer) => {
            request.extensions_mut().insert(bearer);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn not_allowed(service: Service, path: &str) -> Response {
    let allowed = HeaderValue::from_str(&scopes::methods(service, path)).ok();
    let allowed = allowed.map(|allowed| [(header::ALLOW, allowed)]);
    (allowed, Refusal::MethodNotAllowed).into_response()
}

impl Guard {
    async fn believe(
        &self,
        bearer: Bearer,
        scopes: &'static [&'static str],
        seen: Option<Seen>,
    ) -> Result<Bearer, Refusal> {
        let now = UnixSeconds(self.clock.now().seconds());
        let claims = self.keys.verify(bearer.credential(), now).await?;
        if let Some(seen) = seen {
            self.desk
                .note_caller(&seen, &claims.subject, Tid::of(&bearer.digest()));
        }
        if scopes.iter().all(|scope| claims.has_scope(scope)) {
            Ok(bearer)
        } else {
            Err(Refusal::Scope(scopes))
        }
    }
}

impl Bearer {
    fn find(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
        let value = values.next().ok_or(Refusal::TokenMissing)?;
        let bearer = Self(value.clone());
        // Of two credentials, which one counts would be for whoever reads them to say.
        if values.next().is_some() || bearer.credential().is_empty() {
            return Err(Refusal::TokenInvalid);
        }
        Ok(bearer)
    }

    /// The scheme has any case (RFC 9110 section 11.1), what follows it only its own.
    fn credential(&self) -> &str {
        let text = self.0.to_str().unwrap_or_default();
        match text.split_once(' ') {
            Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => {
                credential.trim_start_matches(' ')
            }
            Some(_) | None => "",
        }
    }

    fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.credential().as_bytes())
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

/// The token that a request was admitted with, if it needed one: for a handler that asks others on
/// its behalf.
pub(crate) struct Admission(pub(crate) Option<Bearer>);

impl<S: Send + Sync> FromRequestParts<S> for Admission {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.remove()))
    }
}

impl UndoCredential {
    pub(crate) fn make() -> Result<Self, getrandom::Error> {
        let mut secret = [0; UNDO_SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut header = HeaderValue::from_str(&format!("Bearer {text}"))
            .expect("invariant: letters, digits and a space");
        header.set_sensitive(true);
        Ok(Self {
            digest: TokenDigest::of(text.as_bytes()),
            bearer: Bearer(header),
        })
    }

    /// Compares digests, so that the time it takes says nothing about the secret.
    fn is(&self, presented: &Bearer) -> bool {
        presented.digest() == self.digest
    }

    pub(crate) fn bearer(&self) -> Bearer {
        self.bearer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(lines: &[&'static str]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        Bearer::find(&headers).map(|bearer| bearer.credential().to_owned())
    }

    #[test]
    fn one_bearer_credential_is_taken_and_nothing_else() {
        for line in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(find(&[line]).as_deref(), Ok("a.b.c"), "{line}");
        }
        assert_eq!(find(&[]), Err(Refusal::TokenMissing));
        for line in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c"] {
            assert_eq!(find(&[line]), Err(Refusal::TokenInvalid), "{line}");
        }
        let twice = find(&["Bearer a.b.c", "Bearer a.b.c"]);
        assert_eq!(twice, Err(Refusal::TokenInvalid));
    }

    #[test]
    fn a_credential_is_never_shown() {
        let undo = UndoCredential::make().unwrap();
        let shown = format!("{undo:?}");
        assert!(!shown.contains(undo.bearer.credential()), "{shown}");
        let another = UndoCredential::make().unwrap();
        assert_ne!(another.digest, undo.digest);
    }
}
