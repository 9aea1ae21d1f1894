//! Asks the identity provider about tokens: many questions in few calls, and each answered once.
//!
//! What waits joins the next call ([`queue`]). A call has a deadline, and what goes wrong with it is
//! told to everybody whose question was in it. Nobody is told another's answer: answers name the
//! digests they are about. While nobody answers at all nobody is made to wait ([`silence`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idp_token::ask::resolve::{Answer, Purpose, QUESTIONS_MAX, Question};
use idp_token::digest::TokenDigest;
use idp_token::seal::SealKey;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::provider::{CallError, Provider};
use crate::clock;
use crate::metrics::SourceMetrics;
use crate::spawn::spawn;
use queue::{Group, Joined, Limits, Queue};
use silence::Silence;

mod queue;
mod silence;

const LIMITS: Limits = Limits {
    calls_max: 4,
    keys_max: QUESTIONS_MAX,
    waiting_max: 4096,
};
/// For whoever asks, the time until a call is made for it included.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Calls about value tokens at once, each about one.
const VALUE_CALLS_MAX: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("as many questions wait as may")]
    Full,
    #[error("no answer came in time")]
    Late,
    #[error("the identity provider does not answer anybody")]
    Silent,
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
    value_calls: Semaphore,
    silence: Mutex<Silence>,
    provider: Arc<Provider>,
    metrics: SourceMetrics,
    /// Whether the last call failed: one line when that begins and one when it is over.
    is_failing: AtomicBool,
}

impl Asking {
    pub(super) fn new(provider: Arc<Provider>, metrics: SourceMetrics) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue::new(LIMITS)),
            value_calls: Semaphore::new(VALUE_CALLS_MAX),
            silence: Mutex::default(),
            provider,
            metrics,
            is_failing: AtomicBool::new(false),
        })
    }

    pub(super) async fn ask(self: &Arc<Self>, question: Question) -> Told {
        self.check_silence()?;
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

    /// Asks about a value token, with the token itself.
    pub(super) async fn ask_about_value(&self, text: &str, digest: TokenDigest) -> Told {
        self.check_silence()?;
        let asking = async {
            let place = self.value_calls.acquire().await;
            let _place = place.map_err(|_| Unanswered::Full)?;
            let call = self.provider.resolve_value(text, digest);
            self.hear(call).await.map_err(Unanswered::Call)
        };
        timeout(WAIT_MAX, asking)
            .await
            .unwrap_or(Err(Unanswered::Late))
    }

    fn check_silence(&self) -> Result<(), Unanswered> {
        if self.silence().refuses(clock::boot()) {
            self.metrics.questions_refused.inc();
            return Err(Unanswered::Silent);
        }
        Ok(())
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.hear(self.provider.resolve(&questions)).await {
            Ok(answers) => {
                for (answer, waiting) in answers.into_iter().zip(waiting) {
                    tell(waiting, || Ok(answer.clone()));
                }
            }
            Err(error) => {
                for waiting in waiting {
                    tell(waiting, || Err(Unanswered::Call(Arc::clone(&error))));
                }
                self.send_away_in_silence();
            }
        }
    }

    /// Takes note of whether a call was answered.
    async fn hear<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Arc<CallError>> {
        let mut outgoing = Outgoing::of(self);
        let heard = call.await;
        outgoing.is_answered = heard.as_ref().err().is_none_or(CallError::is_answer);
        drop(outgoing);
        match heard {
            Ok(told) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the identity provider is asked about tokens again");
                }
                Ok(told)
            }
            Err(error) => {
                self.metrics.count_call_failed("resolve");
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the identity provider cannot be asked about tokens");
                }
                Err(Arc::new(error))
            }
        }
    }

    /// What waits for a call would wait for another deadline.
    fn send_away_in_silence(&self) {
        if !self.silence().refuses(clock::boot()) {
            return;
        }
        let sent_away = self.queue().send_away();
        for (_, waiting) in sent_away {
            tell(vec![waiting.told], || Err(Unanswered::Silent));
        }
    }
}

/// A call that is under way, until it is dropped.
struct Outgoing<'a> {
    asking: &'a Asking,
    is_answered: bool,
}

impl<'a> Outgoing<'a> {
    fn of(asking: &'a Asking) -> Self {
        asking.silence().begin(clock::boot());
        Self {
            asking,
            is_answered: false,
        }
    }
}

impl Drop for Outgoing<'_> {
    fn drop(&mut self) {
        self.asking.silence().end(self.is_answered, clock::boot());
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
