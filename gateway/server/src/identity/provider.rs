//! What is asked of the identity provider, and told to it.
//!
//! The log is read on connections of its own: a slow answer about a token must not make the log
//! look silent. Whatever is not the answer that was asked for is an error, and its text is for our
//! log alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use idp_token::ask::MessageError;
use idp_token::ask::keys::ToldKeys;
use idp_token::ask::report::Report;
use idp_token::ask::resolve::{
    ANSWERS_BYTES_MAX, Answer, Question, VALUE_PATH, read_answers, write_questions,
};
use idp_token::ask::uses::{Use, write_uses};
use idp_token::digest::TokenDigest;
use idp_token::filter::FilterKeys;
use idp_token::log::{After, PAGE_BYTES_MAX, Page, PageError};
use idp_token::value::{KeySet, KeySetError, SET_BYTES_MAX};

use zeroize::Zeroizing;

use super::credential::{Credential, CredentialError};
use super::http::{Connections, ExchangeError};

/// For one call, its answer included.
const CALL_MAX: Duration = Duration::from_secs(1);
/// For one page of the log. Without a beat in so long it is silent.
pub(super) const PAGE_MAX: Duration = Duration::from_secs(1);
/// Of answers in which there is nothing to be read but why they are none.
const PROBLEM_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer cannot be read")]
    Message(#[from] MessageError),
    #[error("its page of the log cannot be read")]
    Page(#[from] PageError),
    #[error("its set of keys cannot be read")]
    KeySet(#[from] KeySetError),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
}

impl CallError {
    /// Whether somebody answered, if not what was asked.
    pub(super) const fn is_answer(&self) -> bool {
        match self {
            Self::Credential(_) | Self::Exchange(_) | Self::Request(_) => false,
            Self::Status(_) | Self::Message(_) | Self::Page(_) | Self::KeySet(_) => true,
        }
    }
}

#[derive(Debug)]
pub(super) struct Provider {
    calls: Connections,
    log: Connections,
    public: Connections,
    credential: Credential,
}

#[derive(Clone)]
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    answer_bytes_max: usize,
    deadline: Duration,
}

impl Provider {
    /// `public` is where the endpoints for clients are, `internal` where those for gateways.
    pub(super) fn new(
        internal: SocketAddr,
        public: SocketAddr,
        credential: Credential,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: Connections::new(internal),
            log: Connections::new(internal),
            public: Connections::new(public),
            credential,
        })
    }

    /// At most `QUESTIONS_MAX`, each about another token. The answers are in the same order.
    pub(super) async fn resolve(&self, questions: &[Question]) -> Result<Vec<Answer>, CallError> {
        let asked: Vec<_> = questions.iter().map(|it| it.key.digest()).collect();
        let call = Call {
            method: Method::POST,
            path: "/internal/resolve",
            // Wiped once it is sent.
            body: Bytes::from_owner(write_questions(questions)),
            answer_bytes_max: ANSWERS_BYTES_MAX,
            deadline: CALL_MAX,
        };
        Ok(read_answers(&self.call(&self.calls, call).await?, &asked)?)
    }

    /// Asks about a value token that a client has shown.
    pub(super) async fn resolve_value(
        &self,
        text: &str,
        digest: TokenDigest,
    ) -> Result<Answer, CallError> {
        let call = Call {
            method: Method::POST,
            path: VALUE_PATH,
            // Wiped once it is sent.
            body: Bytes::from_owner(Zeroizing::new(text.to_owned())),
            answer_bytes_max: ANSWERS_BYTES_MAX,
            deadline: CALL_MAX,
        };
        let told = self.call(&self.calls, call).await?;
        let answer = read_answers(&told, &[digest])?.pop();
        Ok(answer.ok_or(MessageError::Count(0))?)
    }

    /// At most `USES_MAX` of them.
    pub(super) async fn note_uses(&self, uses: &[Use]) -> Result<(), CallError> {
        self.tell("/internal/uses", write_uses(uses)).await
    }

    pub(super) async fn report(&self, report: &Report) -> Result<(), CallError> {
        self.tell("/internal/receipts", report.write()).await
    }

    /// What comes after this place in the log, at once or when there is something.
    pub(super) async fn page(&self, after: After) -> Result<Page, CallError> {
        let call = Call {
            method: Method::GET,
            path: &format!("/internal/log?after={}", after.write()),
            body: Bytes::new(),
            answer_bytes_max: PAGE_BYTES_MAX,
            deadline: PAGE_MAX,
        };
        Ok(Page::read(&self.call(&self.log, call).await?)?)
    }

    /// The keys that our own tokens are told from forged ones with.
    pub(super) async fn filter_keys(&self) -> Result<FilterKeys, CallError> {
        let call = Call {
            method: Method::GET,
            path: "/internal/filter-keys",
            body: Bytes::new(),
            answer_bytes_max: PROBLEM_BYTES_MAX,
            deadline: CALL_MAX,
        };
        let told = self.call(&self.calls, call).await?;
        Ok(ToldKeys::read(&told)?.filter_keys())
    }

    /// The keys that value tokens are verified with.
    pub(super) async fn key_set(&self) -> Result<KeySet, CallError> {
        let request = Request::get(self.public.uri("/jwks")).body(Full::default())?;
        let exchange = self.public.exchange(request, SET_BYTES_MAX, CALL_MAX);
        Ok(KeySet::parse(&check(exchange.await?)?)?)
    }

    async fn tell(&self, path: &str, message: String) -> Result<(), CallError> {
        let call = Call {
            method: Method::POST,
            path,
            body: message.into(),
            answer_bytes_max: PROBLEM_BYTES_MAX,
            deadline: CALL_MAX,
        };
        self.call(&self.calls, call).await.map(drop)
    }

    /// Shows the credential, and another one if that is refused and was replaced.
    async fn call(&self, on: &Connections, call: Call<'_>) -> Result<Bytes, CallError> {
        let credential = self.credential.field()?;
        let answered = send_twice(on, &call, &credential).await?;
        if answered.0 != StatusCode::UNAUTHORIZED {
            return check(answered);
        }
        match self.credential.renew(&credential)? {
            Some(renewed) => check(send_twice(on, &call, &renewed).await?),
            None => check(answered),
        }
    }
}

/// A spare connection may be closed at the very moment when it is used. Whatever is told here may be
/// told again, so one that breaks costs nobody their answer.
async fn send_twice(
    on: &Connections,
    call: &Call<'_>,
    credential: &HeaderValue,
) -> Result<(StatusCode, Bytes), CallError> {
    match send(on, call.clone(), credential.clone()).await {
        Err(CallError::Exchange(ExchangeError::Connection(_))) => {
            send(on, call.clone(), credential.clone()).await
        }
        answered => answered,
    }
}

async fn send(
    on: &Connections,
    call: Call<'_>,
    credential: HeaderValue,
) -> Result<(StatusCode, Bytes), CallError> {
    let request = Request::builder()
        .method(call.method)
        .uri(on.uri(call.path))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, credential)
        .body(Full::new(call.body))?;
    let exchange = on.exchange(request, call.answer_bytes_max, call.deadline);
    Ok(exchange.await?)
}

fn check((status, body): (StatusCode, Bytes)) -> Result<Bytes, CallError> {
    if status.is_success() {
        return Ok(body);
    }
    Err(CallError::Status(status))
}

#[cfg(test)]
mod tests;
