//! Asks the identity provider about tokens: many questions in few calls, and each answered once.
//!
//! What waits joins the next call ([`queue`]). A call has a deadline, and what goes wrong with it is
//! told to everybody whose question was in it. Nobody is told another's answer: answers name the
//! digests they are about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idp_token::ask::resolve::{Answer, Purpose, QUESTIONS_MAX, Question};
use idp_token::digest::TokenDigest;
use idp_token::seal::SealKey;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::provider::{CallError, Provider};
use crate::metrics::SourceMetrics;
use crate::spawn::spawn;
use queue::{Group, Joined, Limits, Queue};

mod queue;

const LIMITS: Limits = Limits {
    calls_max: 4,
    keys_max: QUESTIONS_MAX,
    waiting_max: 4096,
};
/// For whoever asks, the time until a call is made for it included.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("as many questions wait as may")]
    Full,
    #[error("no answer came in time")]
    Late,
    #[error("the identity provider cannot be asked")]
    Call(#[source] Arc<CallError>),
}

type Told = Result<Answer, Unanswered>;

#[derive(Debug)]
struct Waiting {
    key: SealKey,
    purpose: Purpose,
    told: oneshot::Sender<Told>,
}

#[derive(Debug)]
pub(super) struct Asking {
    queue: Mutex<Queue<TokenDigest, Waiting>>,
    provider: Arc<Provider>,
    metrics: SourceMetrics,
    /// Whether the last call failed: one line when that begins and one when it is over.
    is_failing: AtomicBool,
}

impl Asking {
    pub(super) fn new(provider: Arc<Provider>, metrics: SourceMetrics) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue::new(LIMITS)),
            provider,
            metrics,
            is_failing: AtomicBool::new(false),
        })
    }

    pub(super) async fn ask(self: &Arc<Self>, question: Question) -> Told {
        let (told, hearing) = oneshot::channel();
        let waiting = Waiting {
            key: question.key,
            purpose: question.purpose,
            told,
        };
        let digest = waiting.key.digest();
        let joined = self.queue().join(digest, waiting);
        match joined {
            Ok(Joined::Call) => self.begin_call(),
            Ok(Joined::Wait) => {}
            Err(queue::Full) => {
                self.metrics.questions_refused.inc();
                return Err(Unanswered::Full);
            }
        }
        match timeout(WAIT_MAX, hearing).await {
            Ok(Ok(told)) => told,
            // The task of the call is gone.
            Ok(Err(_)) | Err(_) => Err(Unanswered::Late),
        }
    }

    /// How many wait for a call to be made.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().waiting()
    }

    fn begin_call(self: &Arc<Self>) {
        let call = Call {
            asking: Some(Arc::clone(self)),
        };
        spawn("ask", call.run());
    }

    fn queue(&self) -> MutexGuard<'_, Queue<TokenDigest, Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the calls that may be under way. Should its task break off, nobody goes on waiting for it.
struct Call {
    asking: Option<Arc<Asking>>,
}

impl Call {
    async fn run(mut self) {
        while let Some(asking) = self.asking.take() {
            let groups = asking.queue().take(|waiting| !waiting.told.is_closed());
            if groups.is_empty() {
                return;
            }
            self.asking = Some(Arc::clone(&asking));
            asking.call(groups).await;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(asking) = self.asking.take() {
            let sent_away = asking.queue().abandon();
            drop(sent_away);
        }
    }
}

impl Asking {
    async fn call(&self, groups: Vec<Group<TokenDigest, Waiting>>) {
        let (questions, waiting) = questions(groups);
        self.metrics.questions.observe(questions.len() as f64);
        match self.provider.resolve(&questions).await {
            Ok(answers) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the identity provider is asked about tokens again");
                }
                for (answer, waiting) in answers.into_iter().zip(waiting) {
                    tell(waiting, || Ok(answer.clone()));
                }
            }
            Err(error) => {
                self.metrics.count_call_failed("resolve");
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the identity provider cannot be asked about tokens");
                }
                let error = Arc::new(error);
                for waiting in waiting {
                    tell(waiting, || Err(Unanswered::Call(Arc::clone(&error))));
                }
            }
        }
    }
}

/// Somebody may have given up by now.
fn tell(waiting: Vec<oneshot::Sender<Told>>, told: impl Fn() -> Told) {
    for waiting in waiting {
        let _ = waiting.send(told());
    }
}

/// One question for each digest, with all who wait for its answer.
fn questions(
    groups: Vec<Group<TokenDigest, Waiting>>,
) -> (Vec<Question>, Vec<Vec<oneshot::Sender<Told>>>) {
    let mut questions = Vec::with_capacity(groups.len());
    let mut everybody = Vec::with_capacity(groups.len());
    for group in groups {
        let mut asked: Option<Question> = None;
        let mut senders = Vec::with_capacity(group.waiting.len());
        for Waiting { key, purpose, told } in group.waiting {
            senders.push(told);
            match &mut asked {
                Some(question) => question.purpose = join(question.purpose, purpose),
                None => asked = Some(Question { key, purpose }),
            }
        }
        if let Some(question) = asked {
            questions.push(question);
            everybody.push(senders);
        }
    }
    (questions, everybody)
}

/// What does for both: whoever wants a fresh value token is served by no other, and whoever wants
/// none can do with one.
const fn join(one: Purpose, other: Purpose) -> Purpose {
    match (one, other) {
        (Purpose::Renew, _) | (_, Purpose::Renew) => Purpose::Renew,
        (Purpose::Use, _) | (_, Purpose::Use) => Purpose::Use,
        (Purpose::Check, Purpose::Check) => Purpose::Check,
    }
}
