//! Who is this member? Read one, many or all; change a few fields.
//!
//! | request | answer |
//! |---|---|
//! | `GET /members/{id}` | the member, with `ETag` |
//! | `GET /members?ids=7,8` | an array of at most 100 members; ids nobody has are left out |
//! | `GET /members?ids=7,8&versions=3,` | the same, with `{memberId, version, unchanged: true}` for a member whose current version was named |
//! | `GET /directory?ids=7,8` | an array of `{memberId, name, country, version}`, which anybody may see; takes `versions` too |
//! | `GET /members?cursor=&limit=` | `{items, next}` in the order of ids |
//! | `PATCH /members/{id}` | the changed member; honours `If-Match` |

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Etag, Representation};
use crate::clock::Clock;
use crate::ids::MemberId;
use crate::problem::Refusal;
use crate::request::{self, Json, Page, Params, Segment};
use crate::seed::{Member, Seed, Status};

const CACHE: &str = "private, max-age=30";
/// The same for whoever asks.
const DIRECTORY_CACHE: &str = "public, max-age=30";
const NAME_CHARS_MAX: usize = 200;
const EMAIL_BYTES_MAX: usize = 254;
const PHONE_BYTES_MAX: usize = 32;

/// All members: the seeded ones, and over them those that were changed.
#[derive(Debug)]
pub(crate) struct Membership {
    seed: Seed,
    clock: Clock,
    /// Never more than there are members.
    changed: RwLock<Changed>,
}

type Changed = HashMap<MemberId, Arc<Member>>;

pub(crate) fn routes(membership: Arc<Membership>) -> Router {
    Router::new()
        .route("/members", get(list))
        .route("/directory", get(directory))
        .route("/members/{id}", get(read).patch(patch))
        .with_state(membership)
}

impl Membership {
    pub(crate) fn new(seed: Seed, clock: Clock) -> Self {
        Self {
            seed,
            clock,
            changed: RwLock::default(),
        }
    }

    fn find(&self, id: MemberId) -> Option<Arc<Member>> {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        self.find_in(&changed, id)
    }

    fn find_in(&self, changed: &Changed, id: MemberId) -> Option<Arc<Member>> {
        let found = changed.get(&id).cloned();
        found.or_else(|| self.seed.member(id).map(Arc::new))
    }

    /// Reading, comparing and writing are one step, so of two changes that were based on the same
    /// version one is refused.
    fn patch(
        &self,
        id: MemberId,
        patch: Patch,
        headers: &HeaderMap,
    ) -> Result<Arc<Member>, Refusal> {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let current = self
            .find_in(&changed, id)
            .ok_or(Refusal::Unknown("member"))?;
        if !tag(&current).may_change(headers) {
            return Err(Refusal::Precondition);
        }
        let mut member = Member::clone(&current);
        patch.apply_to(&mut member);
        member.updated_at = self.clock.now();
        member.version += 1;
        let member = Arc::new(member);
        changed.insert(id, Arc::clone(&member));
        Ok(member)
    }
}

async fn read(
    State(membership): State<Arc<Membership>>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let member = MemberId::parse(&id).and_then(|id| membership.find(id));
    let member = member.ok_or(Refusal::Unknown("member"))?;
    Ok(representation(&member).answer(&headers))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    ids: Option<String>,
    versions: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(
    State(membership): State<Arc<Membership>>,
    Params(params): Params<ListParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let is_page = params.cursor.is_some() || params.limit.is_some();
    let representation = match params.ids {
        Some(_) if is_page => {
            return Err(Refusal::Query(
                "`ids` goes with neither `cursor` nor `limit`".to_owned(),
            ));
        }
        Some(ids) => batch(&membership, &ids, params.versions.as_deref())?,
        None if params.versions.is_some() => {
            return Err(Refusal::Query("`versions` goes with `ids`".to_owned()));
        }
        None => page(
            &membership,
            Page::parse(params.cursor.as_deref(), params.limit)?,
        ),
    };
    Ok(representation.answer(&headers))
}

fn batch(
    membership: &Membership,
    ids: &str,
    versions: Option<&str>,
) -> Result<Representation, Refusal> {
    let asked = request::versioned_batch(ids, versions)?;
    let found = asked.into_iter().filter_map(|(id, held)| {
        let member = membership.find(MemberId::parse(id)?)?;
        Some(if held == Some(member.version) {
            Entry::unchanged(&member)
        } else {
            Entry::of(member)
        })
    });
    Ok(Representation::of(&found.collect::<Vec<_>>(), CACHE))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryParams {
    ids: String,
    versions: Option<String>,
}

/// What a member is called, which is shown to those who pay and are paid. Nothing to reach them by.
async fn directory(
    State(membership): State<Arc<Membership>>,
    Params(params): Params<DirectoryParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asked = request::versioned_batch(&params.ids, params.versions.as_deref())?;
    let found = asked.into_iter().filter_map(|(id, held)| {
        let member = membership.find(MemberId::parse(id)?)?;
        Some(if held == Some(member.version) {
            Listing::Unchanged(Entry::unchanged(&member))
        } else {
            Listing::of(&member)
        })
    });
    let representation = Representation::of(&found.collect::<Vec<_>>(), DIRECTORY_CACHE);
    Ok(representation.answer(&headers))
}

/// A member in the directory.
#[derive(Serialize)]
#[serde(untagged)]
enum Listing {
    #[serde(rename_all = "camelCase")]
    Whole {
        member_id: MemberId,
        name: String,
        country: &'static str,
        version: u64,
    },
    Unchanged(Entry),
}

impl Listing {
    fn of(member: &Member) -> Self {
        Self::Whole {
            member_id: member.member_id,
            name: member.name.clone(),
            country: member.country,
            version: member.version,
        }
    }
}

fn page(membership: &Membership, page: Page) -> Representation {
    let first = page.after.map_or(1, |last| last.saturating_add(1));
    let ids = (first..=u64::from(membership.seed.sizes().members)).take(page.limit + 1);
    let ids = ids
        .filter_map(|id| u32::try_from(id).ok())
        .map(MemberId::from_number);
    let mut items: Vec<Entry> = ids
        .filter_map(|id| membership.find(id))
        .map(Entry::of)
        .collect();
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items
        .last()
        .map(|entry| request::cursor(entry.id().number().into()));
    Representation::of(
        &Listed {
            items,
            next: last.filter(|_| has_more),
        },
        CACHE,
    )
}

#[derive(Serialize)]
struct Listed {
    items: Vec<Entry>,
    next: Option<String>,
}

/// A member in an answer, with the tag that `If-Match` and `If-None-Match` take.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Whole {
        #[serde(flatten)]
        member: Arc<Member>,
        etag: String,
    },
    #[serde(rename_all = "camelCase")]
    Unchanged {
        member_id: MemberId,
        version: u64,
        unchanged: bool,
    },
}

impl Entry {
    fn of(member: Arc<Member>) -> Self {
        let etag = tag(&member).quoted();
        Self::Whole { member, etag }
    }

    fn unchanged(member: &Member) -> Self {
        Self::Unchanged {
            member_id: member.member_id,
            version: member.version,
            unchanged: true,
        }
    }

    fn id(&self) -> MemberId {
        match self {
            Self::Whole { member, .. } => member.member_id,
            Self::Unchanged { member_id, .. } => *member_id,
        }
    }
}

fn tag(member: &Member) -> Etag {
    Etag::of_version(member.version, &answer::json(member))
}

fn representation(member: &Arc<Member>) -> Representation {
    let body = answer::json(&Entry::of(Arc::clone(member)));
    Representation {
        body,
        etag: tag(member),
        modified: None,
        cache: CACHE,
    }
}

/// The fields that may be changed. Anything else in the body is refused.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with some of name, email, phone, status"
)]
struct Patch {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    email: Option<String>,
    #[serde(default, deserialize_with = "present")]
    phone: Option<String>,
    #[serde(default, deserialize_with = "present")]
    status: Option<Status>,
}

/// A field that is there has a value: `null` would remove it, and none of these can be removed.
fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Patch {
    fn check(&self) -> Result<(), Refusal> {
        let is_empty = self.name.is_none()
            && self.email.is_none()
            && self.phone.is_none()
            && self.status.is_none();
        let is_name = |name: &str| {
            (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.contains(char::is_control)
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_email = |email: &str| {
            let has_both = email
                .split_once('@')
                .is_some_and(|(l, r)| !l.is_empty() && !r.is_empty());
            has_both && email.len() <= EMAIL_BYTES_MAX && is_plain(email)
        };
        let is_phone =
            |phone: &str| (1..=PHONE_BYTES_MAX).contains(&phone.len()) && is_plain(phone);
        let fault = match self {
            _ if is_empty => "no field is changed",
            Self {
                name: Some(name), ..
            } if !is_name(name) => "this is no name",
            Self {
                email: Some(email), ..
            } if !is_email(email) => "this is no e-mail address",
            Self {
                phone: Some(phone), ..
            } if !is_phone(phone) => "this is no phone number",
            Self { .. } => return Ok(()),
        };
        Err(Refusal::Body(fault.to_owned()))
    }

    fn apply_to(self, member: &mut Member) {
        if let Some(name) = self.name {
            member.name = name;
        }
        if let Some(email) = self.email {
            member.email = email;
        }
        if let Some(phone) = self.phone {
            member.phone = phone;
        }
        if let Some(status) = self.status {
            member.status = status;
        }
    }
}

async fn patch(
    State(membership): State<Arc<Membership>>,
    Segment(id): Segment,
    mut headers: HeaderMap,
    Json(patch): Json<Patch>,
) -> Result<Response, Refusal> {
    let id = MemberId::parse(&id).ok_or(Refusal::Unknown("member"))?;
    patch.check()?;
    let member = membership.patch(id, patch, &headers)?;
    // What comes back is the new state, never the news that it is the old one.
    headers.remove(header::IF_NONE_MATCH);
    Ok(representation(&member).answer(&headers))
}
