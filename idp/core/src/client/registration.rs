//! May a client be registered as it is described?

use super::{Client, Grant, Lifetimes, Secrets};
use crate::scope::Scopes;

pub const URIS_MAX: usize = 32;
pub const URI_BYTES_MAX: usize = 512;
const SECRETS_MAX: usize = 8;
/// Scopes, roles and audience go into every record and value token that gateways are given. Small
/// as these caps are, together they leave a token below what gateways read.
pub const ROLES_MAX: usize = 32;
pub const ROLE_BYTES_MAX: usize = 64;
pub const AUDIENCE_MAX: usize = 4;
pub const AUDIENCE_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientProblem {
    #[error("a list is longer, or has a text that is longer, than any client needs")]
    TooLong,
    #[error("an id of 32 hexadecimal digits could be taken for a person")]
    Id,
    #[error(
        "a redirect URI must be absolute, without user, fragment or wildcard, and with https unless \
         it leads to this machine or to an app"
    )]
    RedirectUri,
    #[error(
        "a URI for back-channel logout must be absolute, without user or fragment, and with https \
         unless it leads to this machine"
    )]
    BackchannelLogoutUri,
    #[error("a client that receives codes needs a redirect URI")]
    NoRedirectUri,
    #[error("a client that cannot keep a secret cannot act for itself")]
    PublicMachine,
    #[error("a confidential client needs a secret")]
    NoSecret,
    #[error("refresh tokens come with codes, so a client needs both grants")]
    RefreshAlone,
    #[error(
        "the lifetimes are not in their order: access, idle and absolute, none of them zero; or \
         access is longer than a day"
    )]
    Lifetimes,
}

impl Client {
    pub fn check(&self) -> Result<(), ClientProblem> {
        self.check_sizes()?;
        self.check_grants()?;
        let is_like_a_user =
            self.id.as_str().len() == 32 && self.id.as_str().bytes().all(|b| b.is_ascii_hexdigit());
        if is_like_a_user {
            return Err(ClientProblem::Id);
        }
        let mut uris = self.redirect_uris.iter().chain(&self.logout_uris);
        if !uris.all(|uri| is_redirect_uri(uri)) {
            return Err(ClientProblem::RedirectUri);
        }
        let told_at = self.backchannel_logout_uri.as_ref();
        if !told_at.is_none_or(|uri| is_server_uri(uri)) {
            return Err(ClientProblem::BackchannelLogoutUri);
        }
        let lifetimes = self.lifetimes;
        let is_ordered = !lifetimes.access.is_zero()
            && lifetimes.access <= lifetimes.absolute
            && lifetimes.access <= Lifetimes::ACCESS_MAX
            && lifetimes
                .idle
                .is_none_or(|idle| !idle.is_zero() && idle <= lifetimes.absolute);
        if is_ordered {
            Ok(())
        } else {
            Err(ClientProblem::Lifetimes)
        }
    }

    fn check_sizes(&self) -> Result<(), ClientProblem> {
        let secrets = match &self.secrets {
            Secrets::Public => 0,
            Secrets::Confidential(secrets) => secrets.len(),
        };
        let fits = secrets <= SECRETS_MAX
            && are_within(&self.redirect_uris, URIS_MAX, URI_BYTES_MAX)
            && are_within(&self.logout_uris, URIS_MAX, URI_BYTES_MAX)
            && are_within(self.backchannel_logout_uri.as_slice(), 1, URI_BYTES_MAX)
            && are_within(&self.audience, AUDIENCE_MAX, AUDIENCE_BYTES_MAX)
            && are_roles(&self.roles);
        if fits {
            Ok(())
        } else {
            Err(ClientProblem::TooLong)
        }
    }

    fn check_grants(&self) -> Result<(), ClientProblem> {
        let may = |grant| self.grants.contains(&grant);
        if may(Grant::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err(ClientProblem::NoRedirectUri);
        }
        if may(Grant::RefreshToken) && !may(Grant::AuthorizationCode) {
            return Err(ClientProblem::RefreshAlone);
        }
        match &self.secrets {
            Secrets::Public if may(Grant::ClientCredentials) => Err(ClientProblem::PublicMachine),
            Secrets::Confidential(secrets) if secrets.is_empty() => Err(ClientProblem::NoSecret),
            Secrets::Public | Secrets::Confidential(_) => Ok(()),
        }
    }

    /// The scopes that were asked for, if the client may have them all.
    pub(crate) fn allow(&self, asked: &Scopes) -> Option<Scopes> {
        asked.is_within(&self.scopes).then(|| asked.clone())
    }
}

pub(crate) fn are_roles(roles: &[String]) -> bool {
    are_within(roles, ROLES_MAX, ROLE_BYTES_MAX)
}

fn are_within(texts: &[String], count_max: usize, bytes_max: usize) -> bool {
    let fits = |text: &String| (1..=bytes_max).contains(&text.len());
    texts.len() <= count_max && texts.iter().all(fits)
}

/// What a browser can be sent to without its address meaning something else to the browser.
#[must_use]
pub fn is_redirect_uri(uri: &str) -> bool {
    let is_plain = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"#*\\\"<>^`{|}".contains(&byte));
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    is_plain && is_scheme_sound(scheme, rest)
}

/// What this provider itself can send something to: no app has an address for that.
fn is_server_uri(uri: &str) -> bool {
    is_redirect_uri(uri) && uri.contains("://")
}

fn is_scheme_sound(scheme: &str, rest: &str) -> bool {
    let Some(after) = rest.strip_prefix("//") else {
        // `com.example.app:/callback`, RFC 8252 section 7.1: the dot keeps `javascript:` out.
        let is_app = scheme.contains('.')
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.');
        return is_app && rest.starts_with('/');
    };
    let authority = after.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return false;
    }
    // What follows the last colon of `[::1]` is no port.
    let with_port = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = with_port.map_or(authority, |(host, _)| host);
    let is_this_machine = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match scheme {
        "https" => true,
        "http" => is_this_machine,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
