//! One case: what a service does, and what is seen of it on the other side.

use std::fmt::Write as _;
use std::time::Duration;

use gateway_server::Carriers;

use super::service::{Act, Service, When};
use crate::edge::Edge;
use crate::http2::transcript as http2;
use crate::site::Site;
use crate::transcript::Ear;

/// No service that answers at all takes so long, on however busy a machine.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Short enough to wait for a service that does not.
const SHORT_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(crate) struct Case {
    act: Act,
    heard: Vec<String>,
    /// Whether the client's connection goes on.
    survives: bool,
    /// Whether the next request goes out on the same connection.
    is_reused: bool,
    method: Option<&'static str>,
    /// Of the service, as the gateway is configured.
    timeout: Duration,
    /// Whether the client speaks HTTP/1.0, whose connection ends with its answer.
    is_old: bool,
}

/// The client is told this, and goes on; the service's connection is not used again.
pub(crate) fn told(act: Act, heard: &str) -> Case {
    Case {
        act,
        heard: vec![heard.to_owned()],
        survives: true,
        is_reused: false,
        method: None,
        timeout: TIMEOUT,
        is_old: false,
    }
}

/// The client is told that the service gave no valid answer.
pub(crate) fn broken(act: Act) -> Case {
    told(act, "502 upstream_broken")
}

/// The client is told that the service took too long.
pub(crate) fn late(act: Act) -> Case {
    Case {
        timeout: SHORT_TIMEOUT,
        ..told(act, "504 upstream_timeout")
    }
}

/// As `cut`, but by the deadline.
pub(crate) fn cut_late(act: Act) -> Case {
    Case {
        timeout: SHORT_TIMEOUT,
        ..cut(act)
    }
}

/// The client heard a part of the answer, perhaps; it must see that this was not all.
pub(crate) fn cut(act: Act) -> Case {
    Case {
        survives: false,
        ..told(act, "reset")
    }
}

/// The client is told this, and the service's connection is used again.
pub(crate) fn sound(act: Act, heard: &str) -> Case {
    Case {
        is_reused: true,
        ..told(act, heard)
    }
}

/// How a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Plain,
    Tls,
    Http2,
}

/// A client, on one connection.
enum Visitor {
    Lines(Ear),
    Frames(http2::Ear),
}

impl By {
    async fn edge(self, config: &str) -> Edge {
        match self {
            Self::Plain => Edge::start(config).await,
            Self::Tls => Edge::secure(Site::new(), &["first"], config).await,
            Self::Http2 => Edge::start_with_http2(Carriers::Both, config).await,
        }
    }

    async fn visit(self, edge: &Edge) -> Visitor {
        match self {
            Self::Plain | Self::Tls => Visitor::Lines(Ear::on(edge.socket().await)),
            Self::Http2 => Visitor::Frames(http2::Ear::connect(edge.address()).await),
        }
    }
}

impl Visitor {
    async fn ask(&mut self, case: &Case, method: &str, path: &str, answers: usize) -> Vec<String> {
        let ear = match self {
            Self::Lines(ear) => ear,
            Self::Frames(ear) => return ear.ask(method, path, answers).await,
        };
        ear.say(case.request(method, path).as_bytes()).await;
        let mut heard = Vec::new();
        for _ in 0..answers {
            heard.push(ear.hear(method == "HEAD").await);
        }
        heard
    }
}

impl Case {
    /// These informational answers come first.
    pub(crate) fn after(mut self, informational: &[&str]) -> Self {
        let first = informational.iter().map(|&line| line.to_owned());
        self.heard.splice(0..0, first);
        self
    }

    /// Only for a request with this method: where `GET` and the chunked `POST` are told otherwise, two
    /// cases stand side by side.
    pub(crate) fn to(self, method: &'static str) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    /// For a client of the old version, which knows neither chunks nor informational answers.
    pub(crate) fn for_old_client(mut self) -> Self {
        self.is_old = true;
        self.survives = false;
        self.to("GET")
    }

    fn methods(&self) -> Vec<&'static str> {
        match self.method {
            Some(method) => vec![method],
            None => vec!["GET", "POST"],
        }
    }

    fn ways(&self) -> &'static [By] {
        match self.is_old {
            true => &[By::Plain, By::Tls],
            false => &[By::Plain, By::Tls, By::Http2],
        }
    }

    fn request(&self, method: &str, path: &str) -> String {
        let version = if self.is_old { "HTTP/1.0" } else { "HTTP/1.1" };
        let head = format!("{method} {path} {version}\r\nHost: h\r\n");
        if method == "POST" {
            format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        } else {
            head + "\r\n"
        }
    }

    fn config(&self, service: &Service) -> String {
        format!(
            "services: {{ s: {{ endpoints: [\"{}\"], timeout: {}ms }} }}\n\
             routes: [{{ match: \"/{{rest*}}\", to: s }}]\n",
            service.address,
            self.timeout.as_millis()
        )
    }

    fn is_as_told(&self, heard: &[String]) -> bool {
        if !self.survives && !self.is_old {
            return heard.len() == 1 && heard[0].ends_with("reset");
        }
        heard == self.heard
    }
}

/// Runs every case with a gateway and a service of its own, and shows all that went another way.
pub(crate) async fn run(cases: impl IntoIterator<Item = Case>) {
    let mut faults = String::new();
    for case in cases {
        faults.push_str(&faults_of(&case).await);
    }
    assert!(faults.is_empty(), "{faults}");
}

/// Runs cases that take their time, all at once.
pub(crate) async fn run_together(cases: Vec<Case>) {
    let started = cases.into_iter().map(|case| {
        let faults = async move { faults_of(&case).await };
        gateway_server::spawn("case", faults)
    });
    let started: Vec<_> = started.collect();
    let mut faults = String::new();
    for case in started {
        faults.push_str(&case.await.unwrap());
    }
    assert!(faults.is_empty(), "{faults}");
}

async fn faults_of(case: &Case) -> String {
    let mut faults = String::new();
    for method in case.methods() {
        for by in case.ways() {
            if let Err(fault) = check(case, method, *by).await {
                let _ = writeln!(faults, "{by:?}, {method}, {}\n  {fault}", told_act(case));
            }
        }
    }
    faults
}

/// Runs every case, and once more with every byte of the service in a write of its own.
pub(crate) async fn run_also_slowly(cases: Vec<Case>) {
    let slowly = cases.iter().map(|case| Case {
        act: Act {
            is_slow: true,
            ..case.act.clone()
        },
        ..case.clone()
    });
    let slowly: Vec<_> = slowly.collect();
    run(cases).await;
    run(slowly).await;
}

async fn check(case: &Case, method: &str, by: By) -> Result<(), String> {
    let service = Service::start(case.act.clone()).await;
    let edge = by.edge(&case.config(&service)).await;
    let mut visitor = by.visit(&edge).await;
    let heard = visitor.ask(case, method, "/a", case.heard.len()).await;
    if !case.is_as_told(&heard) {
        return Err(format!("heard {heard:?}, must {:?}", case.heard));
    }
    if case.act.when == When::Told {
        service.tell().await;
    }
    // In HTTP/2 what is cut is a stream, and its connection goes on.
    if !case.survives && by != By::Http2 {
        visitor = by.visit(&edge).await;
    }
    let next = if method == "HEAD" { "GET" } else { method };
    let next = visitor.ask(case, next, "/next", 1).await;
    if !next.iter().all(|line| line.starts_with("200 good")) {
        return Err(format!("heard {next:?} next"));
    }
    let seen = service.seen();
    match &seen[..] {
        [(_, _)] if case.act.when == When::Connected && !case.is_reused => Ok(()),
        [(_, first), (_, next)] if (first == next) == case.is_reused => Ok(()),
        _ => Err(format!("seen {seen:?}, reused must be {}", case.is_reused)),
    }
}

/// What a client is told behind all informational answers.
pub(crate) async fn hear_behind_informational(act: Act, method: &'static str) -> String {
    let case = late(act).to(method);
    let service = Service::start(case.act.clone()).await;
    let edge = Edge::start(&case.config(&service)).await;
    let mut ear = Ear::connect(edge.address()).await;
    ear.say(case.request(method, "/a").as_bytes()).await;
    loop {
        let line = ear.hear(false).await;
        if !line.starts_with('1') {
            return line;
        }
    }
}

fn told_act(case: &Case) -> String {
    let act = &case.act;
    let bytes = act.bytes.escape_ascii().to_string();
    let bytes = bytes
        .get(..200)
        .map_or(bytes.clone(), |start| format!("{start}…"));
    let pace = if act.is_slow { " slowly" } else { "" };
    format!("{:?}{pace}: {bytes}, then {:?}", act.when, act.then)
}
