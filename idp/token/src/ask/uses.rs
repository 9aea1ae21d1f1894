//! When was a session last used? `POST /internal/uses`
//!
//! ```json
//! {"v":1,"uses":[{"sid":"00ff…","at":1800000000}]}
//! ```
//!
//! The latest use of each session since the last report. Uses are merged by their maximum, so that
//! a report may be sent again, or come late, and nothing is lost but what was not sent.

use serde::Serialize;

use crate::json::MemberError;
use crate::session::SessionId;
use crate::time::UnixSeconds;

use super::{MessageError, VERSION, items, members};

pub const USES_MAX: usize = 1024;
pub const USES_BYTES_MAX: usize = 32 + USES_MAX * 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub session: SessionId,
    pub at: UnixSeconds,
}

/// At most `USES_MAX` of them; more are refused by whoever reads them.
#[must_use]
pub fn write_uses(uses: &[Use]) -> String {
    let uses = uses.iter().map(|it| WrittenUse {
        sid: it.session.to_string(),
        at: it.at.0,
    });
    let uses = uses.collect();
    serde_json::to_string(&WrittenUses { v: VERSION, uses })
        .expect("invariant: texts and numbers are JSON")
}

pub fn read_uses(body: &[u8]) -> Result<Vec<Use>, MessageError> {
    let members = members(body, USES_BYTES_MAX, &["v", "uses"])?;
    let list = members.list("uses")?;
    if list.len() > USES_MAX {
        return Err(MessageError::Count(list.len()));
    }
    items(list, |_, item| {
        item.check_names(&["sid", "at"])?;
        let session = SessionId::parse(item.text("sid")?).ok_or(MemberError::Value("sid"))?;
        let at = UnixSeconds(item.whole("at")?);
        Ok(Use { session, at })
    })
}

#[derive(Serialize)]
struct WrittenUses {
    v: u64,
    uses: Vec<WrittenUse>,
}

#[derive(Serialize)]
struct WrittenUse {
    sid: String,
    at: u64,
}
