//! One case: bytes a client sends, what it must hear, and what the service must have seen.

use std::fmt::Write as _;

use gateway_server::Carriers;

use super::service::Service;
use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::transcript::Ear;

/// Asked behind every case whose connection must survive.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const PROBE_SEEN: &str = "GET /probe HTTP/1.1 | host: h";
/// Sent in one breath with every case; where the case ends the connection it must never be seen.
const BEHIND: &[u8] = b"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n";
const BEHIND_SEEN: &str = "GET /behind HTTP/1.1 | host: h";

/// Ends the line of a request that the service did not see to its end.
const CUT: &str = " (cut)";

/// Pieces of a slow delivery are longer where thousands of single bytes would prove nothing more.
const BYTEWISE_MAX: usize = 1024;

#[derive(Clone)]
pub(crate) struct Case {
    bytes: Vec<u8>,
    heard: Vec<String>,
    seen: Vec<String>,
    survives: bool,
    /// Whether the client ends its side behind these bytes.
    ends: bool,
    /// How the gateway ends its side.
    end: &'static str,
}

/// The service gets this one request, the client its answer, and the connection goes on.
pub(crate) fn passed(bytes: impl AsRef<[u8]>, seen: &str) -> Case {
    Case {
        bytes: bytes.as_ref().to_vec(),
        heard: vec!["200".to_owned()],
        seen: vec![seen.to_owned()],
        survives: true,
        ends: false,
        end: "closed",
    }
}

/// The gateway answers, the service sees nothing, and the connection ends.
pub(crate) fn refused(bytes: impl AsRef<[u8]>, status: u16, code: &str) -> Case {
    Case {
        bytes: bytes.as_ref().to_vec(),
        heard: vec![format!("{status} {code} (last)")],
        seen: Vec::new(),
        survives: false,
        ends: false,
        end: "closed",
    }
}

/// The gateway answers, the service sees nothing, and the connection goes on.
pub(crate) fn declined(bytes: impl AsRef<[u8]>, status: u16, code: &str) -> Case {
    Case {
        heard: vec![format!("{status} {code}")],
        survives: true,
        ..refused(bytes, status, code)
    }
}

/// The client leaves in the middle of a head, and there is nobody to answer.
pub(crate) fn abandoned(bytes: impl AsRef<[u8]>) -> Case {
    Case {
        bytes: bytes.as_ref().to_vec(),
        heard: Vec::new(),
        seen: Vec::new(),
        survives: false,
        ends: true,
        end: "closed",
    }
}

/// The client leaves in the middle of a body. No answer could say more than the reset does.
pub(crate) fn abandoned_body(bytes: impl AsRef<[u8]>) -> Case {
    Case {
        end: "reset",
        ..abandoned(bytes)
    }
}

impl Case {
    /// The service sees the beginning of this request at least, and that it was cut.
    pub(crate) fn cut(self, seen: &str) -> Self {
        Self {
            seen: vec![format!("{seen}{CUT}")],
            ..self
        }
    }

    /// The answer is the last one of the connection.
    pub(crate) fn last(mut self) -> Self {
        self.survives = false;
        for line in &mut self.heard {
            line.push_str(" (last)");
        }
        self
    }

    /// The answer has no body, so no code either.
    pub(crate) fn without_body(mut self) -> Self {
        for line in &mut self.heard {
            let (status, rest) = line.split_at(3);
            let is_last = rest.ends_with("(last)");
            *line = format!("{status}{}", if is_last { " (last)" } else { "" });
        }
        self
    }

    /// Another request of the same case: its answer follows, the service sees it next.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.bytes.extend(next.bytes);
        self.heard.extend(next.heard);
        self.seen.extend(next.seen);
        self.survives = next.survives;
        self.ends = next.ends;
        self
    }

    fn with_probe(&self) -> Self {
        let probe = passed(PROBE, PROBE_SEEN).last();
        Self {
            bytes: Vec::new(),
            ..self.clone().then(probe)
        }
    }

    fn with_request_behind(&self) -> Self {
        if self.survives {
            return self.clone().then(passed(BEHIND, BEHIND_SEEN));
        }
        let bytes = [&self.bytes, BEHIND].concat();
        Self {
            bytes,
            ..self.clone()
        }
    }

    fn is_head(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }
}

/// How the bytes of a case are cut into writes.
#[derive(Debug, Clone, Copy)]
enum Slices {
    One,
    TwoAt(usize),
    Bytes,
}

/// A gateway, the service behind it, and the cases that went wrong.
struct Bench {
    edge: Edge,
    service: Service,
    faults: String,
}

/// Runs every case with a gateway that passes every sound request on, with either carrier, and
/// under TLS.
pub(crate) async fn run(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    for carriers in [Carriers::Both, Carriers::Pingora] {
        Bench::start(carriers, "/{rest*}").await.run(&cases).await;
    }
    Bench::secure().await.run(&cases).await;
}

/// The same with the carriers of production alone, where the other tells the service earlier.
pub(crate) async fn run_as_in_production(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    let bench = Bench::start(Carriers::Both, "/{rest*}").await;
    bench.run(&cases).await;
}

/// The same with a gateway that serves `GET` of a path with one segment, and nothing else.
pub(crate) async fn run_with_gets_only(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = cases.into_iter().collect();
    let bench = Bench::start(Carriers::Both, "GET /{one}").await;
    bench.run(&cases).await;
}

/// Runs every case cut in two at every place there is.
pub(crate) async fn run_halved(cases: impl IntoIterator<Item = Case>) {
    let mut bench = Bench::start(Carriers::Both, "/{rest*}").await;
    for case in cases {
        for at in 1..case.bytes.len() {
            bench.check(&case, Slices::TwoAt(at)).await;
        }
    }
    bench.finish();
}

impl Bench {
    async fn start(carriers: Carriers, pattern: &str) -> Self {
        let service = Service::start().await;
        let config = everything_to(&[service.address]).replace("/{rest*}", pattern);
        Self {
            edge: Edge::start_with(carriers, &config).await,
            service,
            faults: String::new(),
        }
    }

    async fn secure() -> Self {
        let service = Service::start().await;
        let config = everything_to(&[service.address]);
        Self {
            edge: Edge::secure(Site::new(), &["first"], &config).await,
            service,
            faults: String::new(),
        }
    }

    /// Runs every case whole, with another request behind it, and slowly.
    async fn run(mut self, cases: &[Case]) {
        for case in cases {
            self.check(case, Slices::One).await;
            self.check(case, Slices::Bytes).await;
            if !case.ends {
                let case = case.with_request_behind();
                self.check(&case, Slices::One).await;
                self.check(&case, Slices::Bytes).await;
            }
        }
        self.finish();
    }

    fn finish(self) {
        assert!(self.faults.is_empty(), "{}", self.faults);
    }

    async fn check(&mut self, case: &Case, slices: Slices) {
        let expected = if case.survives {
            case.with_probe()
        } else {
            case.clone()
        };
        let heard = self.converse(case, slices).await;
        let seen = self.service.take(expected.seen.len()).await;
        let mut must_hear = expected.heard;
        must_hear.push(expected.end.to_owned());
        if heard != must_hear || !is_same(&seen, &expected.seen) {
            let bytes = excerpt(&case.bytes);
            let must_see = expected.seen;
            let _ = writeln!(
                self.faults,
                "{bytes} [{slices:?}]\n  heard {heard:?}\n   must {must_hear:?}\n  \
                 seen {seen:?}\n  must {must_see:?}"
            );
        }
    }

    async fn converse(&self, case: &Case, slices: Slices) -> Vec<String> {
        let mut ear = Ear::on(self.edge.socket().await);
        for slice in slices.of(&case.bytes) {
            ear.say(slice).await;
            // Lets the gateway read what is there before more of it comes.
            tokio::task::yield_now().await;
        }
        if case.ends {
            ear.finish().await;
        }
        let mut heard = Vec::new();
        if case.survives {
            for nth in 0..case.heard.len() {
                heard.push(ear.hear(nth == 0 && case.is_head()).await);
            }
            ear.say(PROBE).await;
        } else if case.is_head() {
            heard.push(ear.hear(true).await);
        }
        heard.extend(ear.hear_out().await);
        heard
    }
}

impl Slices {
    fn of(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::One => vec![bytes],
            Self::TwoAt(at) => {
                let (left, right) = bytes.split_at(at);
                vec![left, right]
            }
            Self::Bytes if bytes.len() > BYTEWISE_MAX => bytes.chunks(997).collect(),
            Self::Bytes => bytes.chunks(1).collect(),
        }
    }
}

/// Of a request that was cut, the service may have seen more than the case says.
fn is_same(seen: &[String], expected: &[String]) -> bool {
    let matches = |(seen, expected): (&String, &String)| match expected.strip_suffix(CUT) {
        Some(start) => seen.starts_with(start) && seen.ends_with(CUT),
        None => seen == expected,
    };
    seen.len() == expected.len() && seen.iter().zip(expected).all(matches)
}

fn excerpt(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    match text.get(..300) {
        Some(start) => format!("{start}… ({} bytes)", bytes.len()),
        None => text,
    }
}
