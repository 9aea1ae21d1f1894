//! What is a gateway told about tokens that it does not know?
//!
//! All questions of a message are answered from one snapshot, which is taken after they came in: a
//! token whose end was acknowledged before is never told to be good. The value token is signed and
//! sealed here, under the key that came with the question and is forgotten with it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use idp_core::resolve::{Active, Resolved, resolve as judge};
use idp_token::ask::resolve::{self, Answer, Purpose, Question, read_questions, write_answers};
use idp_token::digest::TokenDigest;
use idp_token::projection::store;
use idp_token::session::StoredValueToken;
use idp_token::time::UnixSeconds;
use idp_token::value::{SignError, SigningKey};

use super::answer::Problem;
use crate::desk::{Desk, Unanswerable, run};
use crate::keys::Ring;
use crate::random::{self, NoRandom};
use crate::store::Snapshot;
use crate::{clock, protocol};

/// More tokens than this are not judged, and value tokens not signed, on a thread of the runtime.
const INLINE_MAX: usize = 4;

struct Asked {
    questions: Vec<Question>,
    ring: Arc<Ring>,
}

pub(super) async fn resolve(
    State(desk): State<Arc<Desk>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let questions = read_questions(&body)?;
    let asked = Arc::new(Asked {
        questions,
        ring: desk.ring.load_full(),
    });
    let (resolved, now) = look(&desk, Arc::clone(&asked)).await?;
    let digests: Vec<_> = asked.digests().collect();
    let answers = if resolved.len() > INLINE_MAX {
        let making = tokio::task::spawn_blocking(move || asked.make(resolved));
        making.await.map_err(|_| Problem::Unanswerable)?
    } else {
        asked.make(resolved)
    };
    for (digest, answer) in digests.iter().zip(&answers) {
        note(&desk, *digest, answer, now);
    }
    let told = write_answers(digests.into_iter().zip(&answers));
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((protocol::private(), kind, told).into_response())
}

async fn look(
    desk: &Desk,
    asked: Arc<Asked>,
) -> Result<(Vec<Resolved>, UnixSeconds), Unanswerable> {
    if asked.questions.len() <= INLINE_MAX {
        return asked.judge(&desk.store.snapshot()?);
    }
    let looked = desk.store.ask(move |snapshot| Ok(asked.judge(snapshot)));
    looked.await?
}

impl Asked {
    fn digests(&self) -> impl Iterator<Item = TokenDigest> {
        self.questions.iter().map(|question| question.key.digest())
    }

    /// All of them on one snapshot.
    fn judge(
        &self,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(Vec<Resolved>, UnixSeconds), Unanswerable> {
        // After the snapshot was taken: no record in it is of a time that is yet to come.
        let now = clock::now();
        let provider = &self.ring.provider;
        let judged = self.questions.iter().map(|question| {
            let name = question.key.name();
            let resolved = run(snapshot, |view| judge(view, provider, name, now))?;
            resolved.ok_or(Unanswerable::Endless)
        });
        Ok((judged.collect::<Result<_, _>>()?, now))
    }

    fn make(&self, resolved: Vec<Resolved>) -> Vec<Answer> {
        let questions = self.questions.iter();
        questions
            .zip(resolved)
            .map(|(question, resolved)| match resolved {
                Resolved::Inactive => Answer::Inactive,
                Resolved::Active(active) => {
                    Answer::Active(Box::new(told(question, *active, &self.ring.signing)))
                }
            })
            .collect()
    }
}

/// A record without a value token, if there can be none, is of use to routes that need none.
fn told(question: &Question, active: Active, signing: &SigningKey) -> resolve::Active {
    let mut record = active.record;
    record.value_token = match question.purpose {
        Purpose::Check => None,
        Purpose::Use | Purpose::Renew => match seal(question, &active.claims, signing) {
            Ok(value_token) => Some(value_token),
            Err(error) => {
                tracing::error!(%error, session = %record.id, "a value token cannot be made");
                None
            }
        },
    };
    resolve::Active {
        record,
        epochs: active.epochs,
        expires_at: active.expires_at,
    }
}

#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Seal(#[from] idp_token::seal::SealError),
    #[error(transparent)]
    Random(#[from] NoRandom),
}

fn seal(
    question: &Question,
    claims: &idp_token::value::Claims,
    signing: &SigningKey,
) -> Result<StoredValueToken, MakeError> {
    let token = signing.sign(claims)?;
    Ok(StoredValueToken {
        sealed: question.key.seal(&token, random::bytes()?)?,
        renews_at: claims.renews_at(),
        expires_at: claims.expires_at,
    })
}

/// Counts it, and keeps it for whoever asks Redis next.
fn note(desk: &Desk, digest: TokenDigest, answer: &Answer, now: UnixSeconds) {
    let Answer::Active(active) = answer else {
        desk.metrics.resolved_inactive.inc();
        return;
    };
    desk.metrics.resolved_active.inc();
    let Some(records) = &desk.records else {
        return;
    };
    if active.record.value_token.is_none() {
        return;
    }
    if let Some(call) = store(digest, &active.record, active.expires_at, now)
        && !records.keep(call)
    {
        desk.metrics.records_not_kept.inc();
    }
}
