//! Whose token is this? (OpenID Connect Core section 5.3)

use idp_token::time::UnixSeconds;

use crate::id::{UserId, Username};
use crate::presented::{self, Found};
use crate::provider::Provider;
use crate::refusal::Refusal;
use crate::view::{Need, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub subject: UserId,
    /// `preferred_username`
    pub name: Username,
}

/// Answers whoever holds a token of a person that goes as far as `openid`.
pub fn userinfo(
    view: &View,
    provider: &Provider,
    token: &str,
    now: UnixSeconds,
) -> Result<Result<UserInfo, Refusal>, Need> {
    let found = presented::find(view, provider, token, now)?;
    let Some(found @ Found::Access(..)) = found else {
        return Ok(Err(Refusal::InvalidToken));
    };
    let session = found.session();
    if !found.is_good(view, now)? {
        return Ok(Err(Refusal::InvalidToken));
    }
    let user = match session.user {
        Some(id) if found.scopes().has("openid") => view.user(id)?,
        Some(_) | None => return Ok(Err(Refusal::InsufficientScope)),
    };
    let told = user.map(|user| UserInfo {
        subject: user.id,
        name: user.name.clone(),
    });
    Ok(told.ok_or(Refusal::InvalidToken))
}
