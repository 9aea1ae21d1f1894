//! When was a session last used? `POST /internal/uses`
//!
//! ```json
//! {"v":1,"uses":[{"sid":"00ff…","age":3}]}
//! ```
//!
//! The latest use of each session since the last report, and how many seconds ago it was when the report
//! was written. A gateway counts them on a clock that nobody sets, so that it may be wrong about the time
//! of day; a report counts as later by as long as it was under way. Uses are merged by their maximum, so
//! that reports may come in any order, and nothing is lost but what was not sent.

use std::time::Duration;

use serde::Serialize;

use crate::json::MemberError;
use crate::session::SessionId;

use super::{MessageError, VERSION, items, members};

pub const USES_MAX: usize = 1024;
pub const USES_BYTES_MAX: usize = 32 + USES_MAX * 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub session: SessionId,
    /// In whole seconds.
    pub age: Duration,
}

/// At most `USES_MAX` of them; more are refused by whoever reads them.
#[must_use]
pub fn write_uses(uses: &[Use]) -> String {
    let uses = uses.iter().map(|it| WrittenUse {
        sid: it.session.to_string(),
        age: it.age.as_secs(),
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
        item.check_names(&["sid", "age"])?;
        let session = SessionId::parse(item.text("sid")?).ok_or(MemberError::Value("sid"))?;
        let age = Duration::from_secs(item.whole("age")?);
        Ok(Use { session, age })
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
    age: u64,
}
