//! Is this an authorization request that may be thought about?

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Back;
use crate::client::{Client, Consents, Grant};
use crate::id::{ClientId, TenantId};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::scope::Scopes;
use crate::store::Key;
use crate::view::{Need, View};

/// `state` and `nonce` are kept or sent back as they are, so they have an end.
const ECHO_BYTES_MAX: usize = 1024;

/// A request that was judged: its client is registered, enabled and may have all that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub client: ClientId,
    pub tenant: TenantId,
    pub scopes: Scopes,
    pub(super) back: Back,
    pub(super) consents: Consents,
    pub(super) challenge: [u8; 32],
    pub(super) nonce: Option<String>,
    pub(super) prompt: Prompt,
    pub(super) max_age: Option<Duration>,
}

impl Request {
    /// Where the answer will go: one of those that the client registered.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.back.redirect_uri
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) none: bool,
    pub(super) login: bool,
    pub(super) consent: bool,
}

pub(super) enum Fault {
    Need(Need),
    /// Client and redirect URI are not known to be good.
    Page(Refusal),
    /// They are, so the client is told.
    Return(Back, Refusal),
}

impl From<Need> for Fault {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

pub(super) fn read(view: &View, query: &[u8]) -> Result<Request, Fault> {
    let parameters = Parameters::parse(query).map_err(|_| Fault::Page(Refusal::InvalidRequest))?;
    let client = find_client(view, &parameters)?;
    let back = find_back(client, &parameters)?;
    match judge(client, &parameters) {
        Ok(asked) => Ok(Request {
            client: client.id.clone(),
            tenant: client.tenant.clone(),
            scopes: asked.scopes,
            back,
            consents: client.consents,
            challenge: asked.challenge,
            nonce: asked.nonce,
            prompt: asked.prompt,
            max_age: asked.max_age,
        }),
        Err(refusal) => Err(Fault::Return(back, refusal)),
    }
}

fn find_client<'v>(view: &'v View, parameters: &Parameters) -> Result<&'v Client, Fault> {
    let unknown = || Fault::Page(Refusal::InvalidClient);
    let id = parameters.find("client_id").and_then(ClientId::parse);
    let id = id.ok_or_else(unknown)?;
    view.want([Key::Client(id.clone())])?;
    let client = view.client(&id)?.ok_or_else(unknown)?;
    let tenant = view.tenant(&client.tenant)?;
    let is_enabled = client.is_enabled && tenant.is_some_and(|tenant| tenant.is_enabled);
    if is_enabled {
        Ok(client)
    } else {
        Err(unknown())
    }
}

/// The redirect URI must be one of those registered, byte for byte, and it must be named even where
/// there is only one, so that a code is always bound to what its client said.
fn find_back(client: &Client, parameters: &Parameters) -> Result<Back, Fault> {
    let invalid = Fault::Page(Refusal::InvalidRequest);
    let named = parameters.find("redirect_uri");
    let known = |named: &&str| client.redirect_uris.iter().any(|uri| uri == named);
    let Some(redirect_uri) = named.filter(known) else {
        return Err(invalid);
    };
    let state = parameters.find("state");
    if state.is_some_and(|state| state.len() > ECHO_BYTES_MAX) {
        return Err(invalid);
    }
    Ok(Back {
        redirect_uri: redirect_uri.to_owned(),
        state: state.map(str::to_owned),
    })
}

struct Asked {
    scopes: Scopes,
    challenge: [u8; 32],
    nonce: Option<String>,
    prompt: Prompt,
    max_age: Option<Duration>,
}

fn judge(client: &Client, parameters: &Parameters) -> Result<Asked, Refusal> {
    if parameters.find("request").is_some() {
        return Err(Refusal::RequestNotSupported);
    }
    if parameters.find("request_uri").is_some() {
        return Err(Refusal::RequestUriNotSupported);
    }
    match parameters.find("response_type") {
        Some("code") => {}
        Some(_) => return Err(Refusal::UnsupportedResponseType),
        None => return Err(Refusal::InvalidRequest),
    }
    if !client.grants.contains(&Grant::AuthorizationCode) {
        return Err(Refusal::UnauthorizedClient);
    }
    let mode = parameters.find("response_mode");
    if mode.is_some_and(|mode| mode != "query") {
        return Err(Refusal::InvalidRequest);
    }
    let nonce = parameters.find("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > ECHO_BYTES_MAX) {
        return Err(Refusal::InvalidRequest);
    }
    Ok(Asked {
        challenge: challenge(parameters)?,
        scopes: scopes(client, parameters)?,
        nonce: nonce.map(str::to_owned),
        prompt: prompt(parameters)?,
        max_age: max_age(parameters)?,
    })
}

/// A method that is absent would mean `plain` (RFC 7636 section 4.3), so it must be there.
fn challenge(parameters: &Parameters) -> Result<[u8; 32], Refusal> {
    if parameters.find("code_challenge_method") != Some("S256") {
        return Err(Refusal::InvalidRequest);
    }
    let text = parameters.find("code_challenge");
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Refusal::InvalidRequest)
}

/// A person must be told what they allow, so nothing is assumed.
fn scopes(client: &Client, parameters: &Parameters) -> Result<Scopes, Refusal> {
    let text = parameters.find("scope").ok_or(Refusal::InvalidScope)?;
    let asked = Scopes::parse(text).ok_or(Refusal::InvalidScope)?;
    client.allow(&asked).ok_or(Refusal::InvalidScope)
}

fn prompt(parameters: &Parameters) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let words = parameters.find("prompt").map(|text| text.split(' '));
    for word in words.into_iter().flatten() {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(Refusal::InvalidRequest),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(Refusal::InvalidRequest);
    }
    Ok(prompt)
}

fn max_age(parameters: &Parameters) -> Result<Option<Duration>, Refusal> {
    let Some(text) = parameters.find("max_age") else {
        return Ok(None);
    };
    let is_number = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number);
    let seconds = seconds.ok_or(Refusal::InvalidRequest)?;
    Ok(Some(Duration::from_secs(seconds)))
}
