//! People who sign in, many at the same time and each again as soon as they have, in a browser that has
//! never been here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::form::{Form, encode};
use super::provider::{CLIENT, Provider, REDIRECT_URI, SCOPE, USERNAME};
use crate::closed::{Answer, Limits, Load, Request};

/// A hundred passwords are hashed one after the other: the last waits for all of them.
const PATIENCE: Duration = Duration::from_secs(60);
const STEPS_MAX: usize = 8;
/// Between one arrival and the next: a hundred people do not come within the same millisecond.
const APART: Duration = Duration::from_millis(10);
/// A challenge that is as good as any: nobody redeems the codes.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Running. Dropping it sends everybody home.
#[derive(Debug)]
pub(super) struct Crowd {
    people: JoinSet<Tally>,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) logins: u64,
    /// Told to come again later.
    pub(super) put_off: u64,
    pub(super) fault: Option<String>,
}

enum Step {
    Landed,
    PutOff,
}

impl Crowd {
    /// They come one after the other; when this returns all are there.
    pub(super) async fn gather(provider: &Provider, people: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut crowd = JoinSet::new();
        for _ in 0..people {
            sleep(APART).await;
            let (address, issuer) = (provider.address, provider.issuer());
            let password = provider.password.clone();
            let stopped = stopped.clone();
            crowd.spawn(async move {
                let mut tally = Tally::default();
                while !*stopped.borrow() && tally.fault.is_none() {
                    match Visitor::new(address, &issuer).sign_in(&password).await {
                        Ok(Step::Landed) => tally.logins += 1,
                        Ok(Step::PutOff) => tally.put_off += 1,
                        Err(fault) => tally.fault = Some(fault),
                    }
                }
                tally
            });
        }
        Self {
            people: crowd,
            stop,
        }
    }

    /// Lets everybody finish.
    pub(super) async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        let mut sum = Tally::default();
        for tally in self.people.join_all().await {
            sum.logins += tally.logins;
            sum.put_off += tally.put_off;
            sum.fault = sum.fault.or(tally.fault);
        }
        sum
    }
}

/// A browser that is used once.
struct Visitor<'a> {
    address: SocketAddr,
    issuer: &'a str,
    cookies: Vec<(String, String)>,
}

impl<'a> Visitor<'a> {
    fn new(address: SocketAddr, issuer: &'a str) -> Self {
        Self {
            address,
            issuer,
            cookies: Vec::new(),
        }
    }

    /// From the application's link to its redirect URI, or an account of what came in between.
    async fn sign_in(&mut self, password: &str) -> Result<Step, String> {
        let mut path = authorize_path();
        let mut answer = self.send(Request::get(&path)).await?;
        for _ in 0..STEPS_MAX {
            match (answer.status, answer.header("location")) {
                (300..=399, Some(location)) if location.starts_with(REDIRECT_URI) => {
                    let is_code = location.contains("code=");
                    return if is_code {
                        Ok(Step::Landed)
                    } else {
                        Err(location.to_owned())
                    };
                }
                (300..=399, Some(location)) => {
                    path = self.follow(&path, location);
                    answer = self.send(Request::get(&path)).await?;
                }
                (200, _) => {
                    let page = String::from_utf8_lossy(&answer.body).into_owned();
                    let form = Form::find(&page).ok_or(page)?;
                    let typed: &[_] = if form.asks_for_password {
                        &[("username", USERNAME), ("password", password)]
                    } else {
                        &[("answer", "allow")]
                    };
                    let action = form.action.as_deref().unwrap_or(&path);
                    path = self.follow(&path, action);
                    answer = self.send(self.post(&path, form.filled(typed))).await?;
                }
                (429 | 503, _) => return Ok(Step::PutOff),
                (status, _) => return Err(format!("{path} answers {status}")),
            }
        }
        Err(format!("still at {path}"))
    }

    /// Where a `Location` or an `action` of ours leads to from a page at `path`.
    fn follow(&self, path: &str, reference: &str) -> String {
        if reference.starts_with('?') {
            let page = path.split('?').next().unwrap_or_default();
            return format!("{page}{reference}");
        }
        let inside = reference.strip_prefix(self.issuer).unwrap_or(reference);
        inside.to_owned()
    }

    fn post(&self, path: &str, body: String) -> Request {
        Request::post(path, body)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Origin", self.issuer)
    }

    async fn send(&mut self, mut request: Request) -> Result<Answer, String> {
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header("Cookie", pairs.collect::<Vec<_>>().join("; "));
        }
        let limits = Limits {
            answer: PATIENCE,
            ..Limits::default()
        };
        let load = Load {
            limits,
            ..Load::new(self.address, request)
        };
        let answer = load.ask().await.map_err(|failure| failure.to_string())?;
        self.keep_cookies(&answer);
        Ok(answer)
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        let fields = answer.headers.iter();
        let set = fields.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        for (_, value) in set {
            let pair = value.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn authorize_path() -> String {
    let scope = format!("openid {SCOPE}");
    let fields = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT_URI),
        ("scope", scope.as_str()),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    format!("/authorize?{}", encode(fields.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_followed_as_a_browser_would() {
        let visitor = Visitor::new("127.0.0.1:1".parse().unwrap(), "http://127.0.0.1:1");
        let cases = [
            ("?c=1", "/a?c=1"),
            ("/d?e=2", "/d?e=2"),
            ("http://127.0.0.1:1/f", "/f"),
        ];
        for (reference, expected) in cases {
            assert_eq!(visitor.follow("/a?b=0", reference), expected);
        }
    }
}
