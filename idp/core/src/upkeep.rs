//! What comes in late, and what may go?

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::decision::{Decided, Decision};
use crate::record::Standing;
use crate::store::{Key, Stored, Transaction};
use crate::view::View;

/// Uses per commit.
pub const USES_MAX: usize = 1024;

/// What a gateway tells: this session was used then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub session: SessionId,
    pub at: UnixSeconds,
}

/// Takes reports of uses, in any order and any number of times. A use that is yet to come was
/// reported by a clock that is ahead, and counts as now: nobody may keep a session alive in advance.
pub fn note_uses(view: &View, uses: &[Use], now: UnixSeconds) -> Decided<()> {
    let uses = uses.get(..USES_MAX).unwrap_or(uses);
    view.want(uses.iter().map(|used| Key::Session(used.session)))?;
    let mut transaction = Transaction::blank();
    for used in uses {
        let known = view.session(used.session)?;
        let live = known.filter(|it| it.standing == Standing::Live && now < it.ends_at);
        if let Some(session) = live {
            transaction.raise(session.id, used.at.min(now), session.ends_at);
        }
    }
    Ok(Decision {
        answer: (),
        transaction,
        audit: None,
    })
}

/// Removes what a page of a scan holds that nothing asks for any more. It rests on the versions of
/// what it removes and on nothing else, so that it disturbs nobody.
pub fn sweep(page: &[Stored], now: UnixSeconds) -> Transaction {
    let mut transaction = Transaction::blank();
    for stored in page {
        let forgotten_at = stored.record.forgotten_at();
        if forgotten_at.is_some_and(|at| at <= now) {
            transaction.remove(stored, now);
        }
    }
    transaction
}
