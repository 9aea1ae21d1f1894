//! What a gateway asks of a provider.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use idp_token::ask::resolve::{
    Answer, Purpose, Question, VALUE_PATH, read_answers, write_questions,
};
use idp_token::ask::uses::{Use, write_uses};
use idp_token::digest::{TokenDigest, TokenName};
use idp_token::epoch::Seq;
use idp_token::log::{After, Change, Entry, Page};
use idp_token::reference::AbsoluteEnd;
use idp_token::seal::SealKey;
use idp_token::session::{Session, SessionId};
use idp_token::time::UnixSeconds;
use serde_json::Value;

use crate::server::{Reply, Server};

const KEY: [u8; 32] = [7; 32];
const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) fn digest(token: &str) -> TokenDigest {
    TokenDigest::of(token.as_bytes())
}

pub(crate) fn seal_key(token: &str) -> SealKey {
    let digest = digest(token);
    let end = end(token).unwrap_or(UnixSeconds(1));
    let end = AbsoluteEnd::new(end).unwrap();
    SealKey::from_bytes(KEY, TokenName { digest, end })
}

/// What a reference token says itself.
fn end(token: &str) -> Option<UnixSeconds> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("tg_at_")?).ok()?;
    let end = bytes.get(3..7)?.try_into().ok()?;
    Some(UnixSeconds(u32::from_be_bytes(end).into()))
}

/// From the beginning.
pub(crate) const START: After = After {
    seq: Seq::NONE,
    beat: None,
};

impl Server {
    /// With whatever credential.
    pub(crate) async fn inside(
        &self,
        method: Method,
        path: &str,
        credential: Option<&str>,
        body: &str,
    ) -> Reply {
        let authorization = credential.map(|credential| format!("Bearer {credential}"));
        let mut fields = vec![JSON];
        fields.extend(authorization.as_deref().map(|it| ("authorization", it)));
        self.send_inside(method, path, &fields, body).await
    }

    pub(crate) async fn tell(&self, path: &str, body: &str) -> Reply {
        let key = self.secret("gateway.key");
        self.inside(Method::POST, path, Some(&key), body).await
    }

    pub(crate) async fn filter_keys(&self) -> Reply {
        let key = self.secret("gateway.key");
        let path = "/internal/filter-keys";
        let reply = self.inside(Method::GET, path, Some(&key), "").await;
        assert_eq!(reply.status, StatusCode::OK);
        reply
    }

    pub(crate) async fn page(&self, after: After) -> Page {
        let path = format!("/internal/log?after={}", after.write());
        let key = self.secret("gateway.key");
        let reply = self.inside(Method::GET, &path, Some(&key), "").await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.field("content-type"), Some("application/x-ndjson"));
        Page::read(&reply.body).unwrap()
    }

    pub(crate) async fn resolve(&self, tokens: &[&str], purpose: Purpose) -> Vec<Answer> {
        let questions: Vec<_> = tokens
            .iter()
            .map(|token| Question {
                key: seal_key(token),
                purpose,
            })
            .collect();
        let asked: Vec<_> = tokens.iter().map(|token| digest(token)).collect();
        let body = write_questions(&questions);
        let reply = self.tell("/internal/resolve", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        read_answers(&reply.body, &asked).unwrap()
    }

    pub(crate) async fn resolve_value(&self, token: &str) -> Answer {
        let reply = self.tell(VALUE_PATH, token).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        let answers = read_answers(&reply.body, &[digest(token)]);
        answers.unwrap().pop().unwrap()
    }

    /// What a token that is good stands for.
    pub(crate) async fn record(&self, token: &str) -> Session {
        match self.resolve(&[token], Purpose::Use).await.pop() {
            Some(Answer::Active(active)) => active.record,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn report_uses(&self, uses: &[(SessionId, u64)]) {
        let uses: Vec<_> = uses
            .iter()
            .map(|(session, age)| Use {
                session: *session,
                age: Duration::from_secs(*age),
            })
            .collect();
        let reply = self.tell("/internal/uses", &write_uses(&uses)).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }

    /// Ends the session of a token, as its client.
    pub(crate) async fn revoke(&self, token: &str) {
        let reply = self
            .post("/revoke", Some("robot"), &format!("token={token}"))
            .await;
        assert_eq!(reply.status, StatusCode::OK);
    }

    /// What a metric says.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let reply = self.inside(Method::GET, "/metrics", None, "").await;
        assert_eq!(reply.status, StatusCode::OK);
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        let prefix = format!("tollgate_idp_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .unwrap()
    }

    /// The lines of the audit log that tell of this, as soon as there are so many: they are written
    /// beside everything else.
    pub(crate) async fn audited(&self, event: &str, count: usize) -> Vec<Value> {
        let reading = async {
            loop {
                let log = fs::read_to_string(self.path("audit.log")).unwrap();
                let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
                let lines = whole
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap());
                let lines: Vec<Value> = lines
                    .filter(|line: &Value| line["event"] == event)
                    .collect();
                if lines.len() >= count {
                    return lines;
                }
                tokio::task::yield_now().await;
            }
        };
        let lines = in_time(event, reading).await;
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    /// Returns once a metric has passed a mark.
    pub(crate) async fn until_metric(&self, name: &str, mark: f64) {
        let passing = async {
            while self.metric(name).await <= mark {
                tokio::task::yield_now().await;
            }
        };
        in_time(name, passing).await;
    }
}

/// Far longer than anything takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends a test that waits for what does not come, and says for what.
pub(crate) async fn in_time<T>(what: &str, waited: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, waited).await {
        Ok(came) => came,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Somebody who reads the log and remembers where they stand.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) after: After,
    pub(crate) changes: Vec<Change>,
    pub(crate) beats: Vec<u64>,
}

impl Reader {
    pub(crate) const fn new(after: After) -> Self {
        Self {
            after,
            changes: Vec::new(),
            beats: Vec::new(),
        }
    }

    pub(crate) async fn read(&mut self, server: &Server) -> Page {
        let page = server.page(self.after).await;
        page.hello.check(self.after.seq).unwrap();
        for entry in &page.entries {
            self.take(entry);
        }
        page
    }

    pub(crate) fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Change(change) => {
                self.after = After {
                    seq: change.seq,
                    beat: self.after.beat,
                };
                self.changes.push(change.clone());
            }
            Entry::Beat(beat) => {
                assert_eq!(
                    beat.seq, self.after.seq,
                    "a beat names the change before it"
                );
                self.after.beat = Some(beat.number);
                self.beats.push(beat.number);
            }
        }
    }

    pub(crate) async fn read_until(&mut self, server: &Server, is_it: impl Fn(&Self) -> bool) {
        let reading = async {
            while !is_it(self) {
                self.read(server).await;
            }
        };
        in_time("what was read", reading).await;
    }

    pub(crate) async fn read_until_seq(&mut self, server: &Server, seq: u64) {
        self.read_until(server, |reader| reader.after.seq >= Seq(seq))
            .await;
    }

    /// Whether no number is missing or there twice.
    pub(crate) fn is_without_holes(&self) -> bool {
        let seqs = self.changes.iter().map(|change| change.seq.0);
        seqs.eq(1..=self.changes.len() as u64)
    }
}
