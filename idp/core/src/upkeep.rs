//! What comes in late, and what may go?

use idp_token::ask::uses::{USES_MAX, Use};
use idp_token::time::UnixSeconds;

use crate::decision::{Decided, Decision};
use crate::record::Standing;
use crate::store::{Key, Stored, Transaction};
use crate::view::View;

/// Takes a report of uses, as of now. Reports may come in any order, and nobody can say that a session will
/// be used: that would keep it alive in advance.
pub fn note_uses(view: &View, uses: &[Use], now: UnixSeconds) -> Decided<()> {
    let uses = uses.get(..USES_MAX).unwrap_or(uses);
    view.want(uses.iter().map(|used| Key::Session(used.session)))?;
    let mut transaction = Transaction::blank();
    for used in uses {
        let known = view.session(used.session)?;
        let live = known.filter(|it| it.standing == Standing::Live && now < it.ends_at);
        if let Some(session) = live {
            transaction.raise(session.id, now.before(used.age), session.ends_at);
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
