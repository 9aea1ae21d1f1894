//! Who is it, by the names that issuers have for it?

use crate::json::{Json, MemberError, Members};

use super::{Holder, Unacceptable};

/// What OpenID Connect allows a subject.
pub const SUBJECT_BYTES_MAX: usize = 255;
pub const SCOPE_BYTES_MAX: usize = 4 * 1024;
pub const ROLES_MAX: usize = 128;
pub const ROLE_BYTES_MAX: usize = 128;

const NAME_BYTES_MAX: usize = 256;
const DEPTH_MAX: usize = 8;

/// Where issuers say beside the standards what a token is for, and their words for what is no access token:
/// Keycloak's, which also calls refresh tokens active, and Cognito's.
const PURPOSES: [(&str, &[&str]); 2] = [
    ("typ", &["id", "refresh", "offline", "logout"]),
    ("token_use", &["id", "refresh"]),
];

/// Where a claim stands: a name, or a path to one inside of others (`/realm_access/roles`, RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimName(Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimNameError {
    #[error("a claim has a name of 1 to {NAME_BYTES_MAX} bytes")]
    Length,
    #[error("a path to a claim has at most {DEPTH_MAX} steps")]
    TooDeep,
    #[error("in a path `~` is written `~0`, and `/` inside of a name `~1`")]
    Escape,
}

impl ClaimName {
    pub fn parse(text: &str) -> Result<Self, ClaimNameError> {
        if !(1..=NAME_BYTES_MAX).contains(&text.len()) {
            return Err(ClaimNameError::Length);
        }
        let Some(path) = text.strip_prefix('/') else {
            return Ok(Self(vec![text.to_owned()]));
        };
        if path.split('/').count() > DEPTH_MAX {
            return Err(ClaimNameError::TooDeep);
        }
        let steps = path.split('/').map(unescape);
        Ok(Self(steps.collect::<Result<_, _>>()?))
    }

    fn find<'a>(&self, members: &'a Members) -> Option<&'a Json> {
        let (last, before) = self.0.split_last()?;
        let inside = before.iter().try_fold(members, |members, step| {
            members.find(step).and_then(Json::as_object)
        });
        inside?.find(last)
    }
}

/// What most issuers call it.
impl Default for ClaimName {
    fn default() -> Self {
        Self(vec!["roles".to_owned()])
    }
}

fn unescape(step: &str) -> Result<String, ClaimNameError> {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    if step.is_empty() || !step.split('~').skip(1).all(is_escaped) {
        return Err(ClaimNameError::Escape);
    }
    Ok(step.replace("~1", "/").replace("~0", "~"))
}

/// Reads who it is. `subject` and `client_id` come from the caller, who knows what may be missing.
pub(super) fn holder(
    members: &Members,
    roles: &ClaimName,
    (subject, client_id): (&str, Option<&str>),
) -> Result<Holder, MemberError> {
    check_spoken(subject, SUBJECT_BYTES_MAX, "sub")?;
    if let Some(client_id) = client_id {
        check_spoken(client_id, SUBJECT_BYTES_MAX, "client_id")?;
    }
    Ok(Holder {
        subject: subject.to_owned(),
        client_id: client_id.unwrap_or_default().to_owned(),
        scope: scope(members)?,
        roles: read_roles(roles.find(members))?,
        ends_at: None,
    })
}

/// The client that a token was given to, by RFC 9068 or by OpenID Connect.
pub(super) fn client_id(members: &Members) -> Result<Option<&str>, MemberError> {
    let named = members.optional_text("client_id")?;
    Ok(named.or(members.optional_text("azp")?))
}

/// Those that a token is for, or none if it does not say.
pub(super) fn audience(members: &Members) -> Result<Option<Vec<String>>, MemberError> {
    match members.find("aud") {
        None => Ok(None),
        Some(Json::Text(one)) => Ok(Some(vec![one.to_string()])),
        Some(_) => members.texts("aud").map(Some),
    }
}

/// An ID token or a refresh token opens nothing, though the same issuer has signed it.
pub(super) fn check_purpose(members: &Members) -> Result<(), Unacceptable> {
    let is_of_another = PURPOSES.iter().any(|(name, others)| {
        let said = members.find(name).and_then(Json::as_text);
        said.is_some_and(|said| others.iter().any(|other| other.eq_ignore_ascii_case(said)))
    });
    match is_of_another {
        true => Err(Unacceptable::Purpose),
        false => Ok(()),
    }
}

/// A token that is bound to a key is stolen or shown without its proof.
pub(super) fn check_unbound(members: &Members) -> Result<(), Unacceptable> {
    if members.has("cnf") {
        Err(Unacceptable::Bound)
    } else {
        Ok(())
    }
}

/// `scope` or `scp`, each a text or a list.
fn scope(members: &Members) -> Result<String, MemberError> {
    let (name, given) = match members.find("scope") {
        Some(given) => ("scope", given),
        None => match members.find("scp") {
            Some(given) => ("scp", given),
            None => return Ok(String::new()),
        },
    };
    let scopes: Vec<_> = match given.as_text() {
        Some(text) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
        None => given.as_texts().ok_or(MemberError::Kind(name))?,
    };
    let is_sound = |scope: &&str| !scope.is_empty() && scope.bytes().all(is_of_scope);
    let joined = scopes.join(" ");
    if joined.len() > SCOPE_BYTES_MAX || !scopes.iter().all(is_sound) {
        return Err(MemberError::Value(name));
    }
    Ok(joined)
}

/// RFC 6749 §3.3.
const fn is_of_scope(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// A list, or one alone.
fn read_roles(given: Option<&Json>) -> Result<Vec<String>, MemberError> {
    const NAME: &str = "roles";
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let roles = match given.as_text() {
        Some(one) => vec![one],
        None => given.as_texts().ok_or(MemberError::Kind(NAME))?,
    };
    if roles.len() > ROLES_MAX {
        return Err(MemberError::Value(NAME));
    }
    let owned = roles.into_iter().map(|role| {
        check_spoken(role, ROLE_BYTES_MAX, NAME)?;
        Ok(role.to_owned())
    });
    owned.collect()
}

/// Refuses what could be taken for another name where it is told or written down: what nobody sees, and
/// spaces at an edge.
fn check_spoken(text: &str, bytes_max: usize, name: &'static str) -> Result<(), MemberError> {
    let is_sound = (1..=bytes_max).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text;
    if is_sound {
        Ok(())
    } else {
        Err(MemberError::Value(name))
    }
}
