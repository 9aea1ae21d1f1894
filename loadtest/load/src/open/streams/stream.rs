//! One of the requests that may be under way on a connection: request, answer, next request.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Uri};
use tokio::time::timeout_at;

use super::trunk::Trunk;
use super::{Desk, Place};
use crate::open::deal::Ticket;
use crate::open::record::{Answered, Failure, Times};
use crate::open::scenario::{Planned, Target};
use crate::open::template::Template;
use crate::open::values::{Turn, Values};

const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) struct Stream {
    desk: Rc<Desk>,
    place: Rc<Place>,
    trunk: Rc<Trunk>,
}

impl Stream {
    pub(super) fn new(desk: Rc<Desk>, trunk: Rc<Trunk>) -> Self {
        Self {
            desk,
            place: Rc::default(),
            trunk,
        }
    }

    pub(super) async fn run(self) {
        let desk = &self.desk;
        while let Some(ticket) = desk.next(&self.place).await {
            let sent = desk.began.elapsed();
            desk.count_sent();
            if ticket.waited {
                desk.record.borrow_mut().waited += 1;
            } else {
                let late = sent.saturating_sub(ticket.due);
                desk.record.borrow_mut().lateness.record(late);
            }
            let deadline = desk.began + sent + desk.shared.scenario.timeout;
            let exchanged = timeout_at(deadline, self.exchange(ticket)).await;
            match exchanged.unwrap_or(Err(Failure::Timeout)) {
                Ok(answered) => {
                    if !(answered.is_expected && answered.holds) {
                        desk.count_failed();
                    }
                    let times = Times {
                        due: ticket.due,
                        sent,
                        done: desk.began.elapsed(),
                    };
                    let mut record = desk.record.borrow_mut();
                    record.answer(ticket.turn.kind, times, &answered);
                }
                Err(failure) => desk.fail(ticket, failure),
            }
        }
    }

    async fn exchange(&self, ticket: Ticket) -> Result<Answered, Failure> {
        let scenario = &self.desk.shared.scenario;
        let planned = scenario.requests.get(ticket.turn.kind);
        let planned = planned.ok_or(Failure::Dropped)?;
        let target = scenario.targets.first().ok_or(Failure::Connect)?;
        let (request, body) = planned.request(target, &scenario.values, ticket.turn)?;
        let opened = self.trunk.open(target).await?;
        if opened.is_new {
            self.desk.record.borrow_mut().connects += 1;
        }
        let mut sender = opened.sender.ready().await.map_err(|_| Failure::Broken)?;
        let is_whole = body.is_empty();
        let sent = sender.send_request(request, is_whole);
        let (answer, mut stream) = sent.map_err(|_| Failure::Broken)?;
        if !is_whole {
            let sent = stream.send_data(body, true);
            sent.map_err(|_| Failure::Broken)?;
        }
        let (head, mut body) = answer.await.map_err(|_| Failure::Broken)?.into_parts();
        let (mut bytes, mut kept) = (0, BytesMut::new());
        while let Some(part) = body.data().await {
            let part = part.map_err(|_| Failure::Broken)?;
            bytes += part.len();
            if planned.body_holds.is_some() {
                if bytes > BODY_BYTES_MAX {
                    return Err(Failure::Malformed);
                }
                kept.extend_from_slice(&part);
            }
            let released = body.flow_control().release_capacity(part.len());
            released.map_err(|_| Failure::Broken)?;
        }
        let status = head.status.as_u16();
        Ok(Answered {
            status,
            bytes: bytes as u64,
            is_expected: planned.expect.contains(&status),
            holds: planned.is_held_by(&kept),
        })
    }
}

impl Planned {
    /// The request of one turn, and its body.
    fn request(
        &self,
        target: &Target,
        values: &Values,
        turn: Turn,
    ) -> Result<(Request<()>, Bytes), Failure> {
        let fill = |template: &Template| {
            let mut text = Vec::new();
            template.fill(values, turn, &mut text);
            text
        };
        let template = &self.template;
        let host = template.headers.iter().find(|(name, _)| name == "host");
        let authority = host.map_or_else(|| target.authority.clone().into(), |(_, it)| fill(it));
        let scheme = if target.secure.is_some() {
            "https"
        } else {
            "http"
        };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority.as_slice())
            .path_and_query(fill(&template.path).as_slice())
            .build();
        let mut request = Request::new(());
        *request.method_mut() = self.method();
        *request.uri_mut() = uri.map_err(|_| Failure::Malformed)?;
        for (name, value) in template.headers.iter().filter(|(name, _)| name != "host") {
            let name = http::HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(&fill(value));
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(Failure::Malformed);
            };
            request.headers_mut().append(name, value);
        }
        let body = template.body.as_ref().map(fill).unwrap_or_default();
        if template.body.is_some() {
            let length = HeaderValue::from(body.len());
            request
                .headers_mut()
                .insert(http::header::CONTENT_LENGTH, length);
        }
        Ok((request, body.into()))
    }

    fn method(&self) -> http::Method {
        // Those that a scenario may name are all standard.
        self.template.method.parse().unwrap_or(http::Method::GET)
    }
}
