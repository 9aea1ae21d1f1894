//! What is to be known afterwards of what was decided?
//!
//! One entry for every decision that concerns security, whichever way it went. An entry holds the
//! ids of those concerned and never a name, a token, a secret or anything that a stranger typed.

use idp_token::digest::Tid;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::id::{ClientId, TenantId, UserId};
use crate::refusal::Refusal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: UnixSeconds,
    pub event: Event,
    pub about: About,
}

/// Who and what an entry is about, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub user: Option<UserId>,
    pub client: Option<ClientId>,
    pub tenant: Option<TenantId>,
    pub session: Option<SessionId>,
    pub token: Option<Tid>,
    /// The administrator, as the server knows them.
    pub actor: Option<String>,
}

/// What happened. The names are stable: alerts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    SignedIn,
    SignInFailed,
    SignInLocked,
    SignedOut,
    ConsentGiven,
    ConsentWithdrawn,
    CodeIssued,
    CodeReplayed,
    CodeBurnt,
    TokenIssued,
    Refused(Refusal),
    TokenRefreshed,
    RefreshReused,
    RefreshNeverIssued,
    RefreshForeign,
    TokenRevoked,
    Administered(Act),
    Keys(KeysAct),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    SessionEnded,
    TokenIssued,
    UserSessionsEnded,
    ClientSessionsEnded,
    TenantSessionsEnded,
    AllSessionsEnded,
    UserCreated,
    UserEnabled,
    UserDisabled,
    UserRolesSet,
    UserPasswordSet,
    UserRenamed,
    UserDeleted,
    ClientSet,
    TenantSet,
    BackedUp,
}

/// What was done to the keys. On schedule nobody did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysAct {
    Begun,
    SigningRotated,
    /// After a leak.
    SigningReplaced,
    FilterAnnounced,
    FilterRotated,
    Dropped,
}

impl Event {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignInLocked => "sign_in_locked",
            Self::SignedOut => "signed_out",
            Self::ConsentGiven => "consent_given",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::CodeIssued => "code_issued",
            Self::CodeReplayed => "code_replayed",
            Self::CodeBurnt => "code_burnt",
            Self::TokenIssued => "token_issued",
            Self::Refused(_) => "refused",
            Self::TokenRefreshed => "token_refreshed",
            Self::RefreshReused => "refresh_reused",
            Self::RefreshNeverIssued => "refresh_never_issued",
            Self::RefreshForeign => "refresh_foreign",
            Self::TokenRevoked => "token_revoked",
            Self::Administered(act) => act.as_str(),
            Self::Keys(act) => act.as_str(),
        }
    }
}

impl Act {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SessionEnded => "admin_session_ended",
            Self::TokenIssued => "admin_token_issued",
            Self::UserSessionsEnded => "admin_user_sessions_ended",
            Self::ClientSessionsEnded => "admin_client_sessions_ended",
            Self::TenantSessionsEnded => "admin_tenant_sessions_ended",
            Self::AllSessionsEnded => "admin_all_sessions_ended",
            Self::UserCreated => "admin_user_created",
            Self::UserEnabled => "admin_user_enabled",
            Self::UserDisabled => "admin_user_disabled",
            Self::UserRolesSet => "admin_user_roles_set",
            Self::UserPasswordSet => "admin_user_password_set",
            Self::UserRenamed => "admin_user_renamed",
            Self::UserDeleted => "admin_user_deleted",
            Self::ClientSet => "admin_client_set",
            Self::TenantSet => "admin_tenant_set",
            Self::BackedUp => "admin_backed_up",
        }
    }
}

impl KeysAct {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "keys_begun",
            Self::SigningRotated => "keys_signing_rotated",
            Self::SigningReplaced => "keys_signing_replaced",
            Self::FilterAnnounced => "keys_filter_announced",
            Self::FilterRotated => "keys_filter_rotated",
            Self::Dropped => "keys_dropped",
        }
    }
}
