//! Is this token good, and what does it stand for? `POST /internal/resolve`
//!
//! ```json
//! {"v":1,"ask":[{"digest":"…","end":1800000600,"key":"…","for":"use"}]}
//! {"v":1,"told":[{"digest":"…","active":true,"record":{…},"epochs":{…},"expires":1800000600}]}
//! ```
//!
//! A question names the digest of its token, and the end that the token says itself: by both together
//! the identity provider finds what it keeps of it. The seal key goes with them: the identity provider signs a value token, seals it with that
//! key and forgets the key. So an answer holds nothing that is of use to anybody but the asker, and
//! may lie in Redis as it is. Each answer names its digest, and is for the question in its place.
//!
//! About a value token that a client has shown the question is the token itself ([`VALUE_PATH`]), and
//! the answer is one of these, without a value token.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::digest::{TokenDigest, TokenName};
use crate::epoch::{Epochs, Seq};
use crate::json::{MemberError, Members};
use crate::reference::AbsoluteEnd;
use crate::seal::SealKey;
use crate::session::{RECORD_BYTES_MAX, Session};
use crate::time::UnixSeconds;

use super::{ItemError, MessageError, VERSION, bytes, items, members};

/// `POST`: the body is a value token, and nothing else.
pub const VALUE_PATH: &str = "/internal/value";
pub const QUESTIONS_MAX: usize = 256;
pub const QUESTIONS_BYTES_MAX: usize = 32 + QUESTIONS_MAX * QUESTION_BYTES_MAX;
pub const ANSWERS_BYTES_MAX: usize = 32 + QUESTIONS_MAX * (RECORD_BYTES_MAX + 512);
const QUESTION_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub struct Question {
    pub key: SealKey,
    pub purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A request waits for a value token; one that was made before will do.
    Use,
    /// The value token nears its end: make the next one.
    Renew,
    /// Whether the token is good is all that is asked; no value token is made.
    Check,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Unknown, expired or over: 401.
    Inactive,
    Active(Box<Active>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// With its sealed value token, unless none was asked for.
    pub record: Session,
    pub epochs: Epochs,
    /// When the token itself is over, whatever its session says.
    pub expires_at: UnixSeconds,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Renew => "renew",
            Self::Check => "check",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Use, Self::Renew, Self::Check]
            .into_iter()
            .find(|purpose| purpose.word() == word)
    }
}

/// At most `QUESTIONS_MAX` of them; more are refused by whoever reads them.
#[must_use]
pub fn write_questions(questions: &[Question]) -> Zeroizing<String> {
    // Room for all of it: a text that grows leaves copies of the keys behind.
    let bytes = 32 + questions.len() * QUESTION_BYTES_MAX;
    let mut out = Zeroizing::new(String::with_capacity(bytes));
    out.push_str(r#"{"v":1,"ask":["#);
    for (at, question) in questions.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        out.push_str(r#"{"digest":""#);
        URL_SAFE_NO_PAD.encode_string(question.key.digest().as_bytes(), &mut out);
        out.push_str(r#"","end":"#);
        // A text takes whatever is written to it.
        let _ = write!(out, "{}", question.key.name().end.get().0);
        out.push_str(r#","key":""#);
        URL_SAFE_NO_PAD.encode_string(question.key.expose().as_slice(), &mut out);
        out.push_str(r#"","for":""#);
        out.push_str(question.purpose.word());
        out.push_str("\"}");
    }
    out.push_str("]}");
    debug_assert!(out.len() <= bytes);
    out
}

pub fn read_questions(body: &[u8]) -> Result<Vec<Question>, MessageError> {
    let members = members(body, QUESTIONS_BYTES_MAX, &["v", "ask"])?;
    let list = members.list("ask")?;
    if !(1..=QUESTIONS_MAX).contains(&list.len()) {
        return Err(MessageError::Count(list.len()));
    }
    items(list, |_, item| {
        item.check_names(&["digest", "end", "key", "for"])?;
        let purpose = Purpose::parse(item.text("for")?).ok_or(MemberError::Value("for"))?;
        let end = AbsoluteEnd::new(UnixSeconds(item.whole("end")?));
        let of = TokenName {
            digest: TokenDigest::from_bytes(*bytes(item, "digest")?),
            end: end.ok_or(MemberError::Value("end"))?,
        };
        let key = SealKey::from_bytes(*bytes(item, "key")?, of);
        Ok(Question { key, purpose })
    })
}

/// Writes the answers, one for each digest that was asked about.
#[must_use]
pub fn write_answers<'a>(told: impl IntoIterator<Item = (TokenDigest, &'a Answer)>) -> String {
    let told = told.into_iter();
    let told: Vec<_> = told.map(|(of, answer)| written(of, answer)).collect();
    serde_json::to_string(&WrittenAnswers { v: VERSION, told })
        .expect("invariant: records, texts and numbers are JSON")
}

/// Reads the answers to these very questions.
pub fn read_answers(body: &[u8], asked: &[TokenDigest]) -> Result<Vec<Answer>, MessageError> {
    let members = members(body, ANSWERS_BYTES_MAX, &["v", "told"])?;
    let list = members.list("told")?;
    if list.len() != asked.len() {
        return Err(MessageError::Count(list.len()));
    }
    items(list, |at, item| {
        let digest = TokenDigest::from_bytes(*bytes(item, "digest")?);
        if asked.get(at) != Some(&digest) {
            return Err(ItemError::Foreign);
        }
        read_answer(item)
    })
}

fn read_answer(item: &Members) -> Result<Answer, ItemError> {
    if !item.truth("active")? {
        item.check_names(&["digest", "active"])?;
        return Ok(Answer::Inactive);
    }
    item.check_names(&["digest", "active", "record", "epochs", "expires"])?;
    let record = Session::read_members(item.object("record")?).map_err(ItemError::Record)?;
    let epochs = item.object("epochs")?;
    epochs.check_names(&["session", "subject", "client", "tenant", "global"])?;
    let epoch = |name| epochs.whole(name).map(Seq);
    let epochs = Epochs {
        session: epoch("session")?,
        subject: epoch("subject")?,
        client: epoch("client")?,
        tenant: epoch("tenant")?,
        global: epoch("global")?,
    };
    Ok(Answer::Active(Box::new(Active {
        record,
        epochs,
        expires_at: UnixSeconds(item.whole("expires")?),
    })))
}

#[derive(Serialize)]
struct WrittenAnswers<R> {
    v: u64,
    told: Vec<Written<R>>,
}

#[derive(Serialize)]
struct Written<R> {
    digest: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<WrittenEpochs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

#[derive(Serialize)]
struct WrittenEpochs {
    session: u64,
    subject: u64,
    client: u64,
    tenant: u64,
    global: u64,
}

fn written(digest: TokenDigest, answer: &Answer) -> Written<impl Serialize + '_> {
    let active = match answer {
        Answer::Inactive => None,
        Answer::Active(active) => Some(active),
    };
    Written {
        digest: URL_SAFE_NO_PAD.encode(digest.as_bytes()),
        active: active.is_some(),
        record: active.map(|active| active.record.written()),
        epochs: active.map(|active| WrittenEpochs {
            session: active.epochs.session.0,
            subject: active.epochs.subject.0,
            client: active.epochs.client.0,
            tenant: active.epochs.tenant.0,
            global: active.epochs.global.0,
        }),
        expires: active.map(|active| active.expires_at.0),
    }
}
