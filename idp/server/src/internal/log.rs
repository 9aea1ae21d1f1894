//! What comes after the place where a gateway stands in the log, at once or when there is
//! something.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use idp_token::log::After;
use tokio::sync::{Semaphore, watch};

use super::answer::Problem;
use crate::desk::Desk;
use crate::listener::Phase;
use crate::protocol;
use crate::relay::pages;

const FOLLOWERS_MAX: usize = 256;
const KIND: &str = "application/x-ndjson";

#[derive(Debug)]
pub(super) struct Log {
    desk: Arc<Desk>,
    phase: watch::Receiver<Phase>,
    places: Semaphore,
}

impl Log {
    pub(super) fn new(desk: Arc<Desk>, phase: watch::Receiver<Phase>) -> Self {
        Self {
            desk,
            phase,
            places: Semaphore::new(FOLLOWERS_MAX),
        }
    }
}

pub(super) async fn log(
    State(log): State<Arc<Log>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let after = parse(query.as_deref()).ok_or(Problem::Query)?;
    let _place = log.places.try_acquire().map_err(|_| Problem::Followers)?;
    let desk = &log.desk;
    let _following = Following::begin(desk);
    let mut phase = log.phase.clone();
    let page = tokio::select! {
        page = pages::read(&desk.tail, &desk.store, after) => page?,
        // Whoever waits is sent away, and finds whoever serves next.
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => desk.tail.empty_page(),
    };
    desk.metrics.pages.inc();
    let kind = [(header::CONTENT_TYPE, KIND)];
    Ok((protocol::private(), kind, page).into_response())
}

fn parse(query: Option<&str>) -> Option<After> {
    After::parse(query?.strip_prefix("after=")?)
}

/// Counted for as long as the request lasts, however it ends.
struct Following<'a>(&'a Desk);

impl<'a> Following<'a> {
    fn begin(desk: &'a Desk) -> Self {
        desk.metrics.followers.inc();
        Self(desk)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.metrics.followers.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use idp_token::epoch::Seq;

    #[test]
    fn a_query_is_one_place_in_the_log() {
        let at = |seq, beat| {
            let seq = Seq(seq);
            Some(After { seq, beat })
        };
        for (query, expected) in [
            (Some("after=7"), at(7, None)),
            (Some("after=7.78"), at(7, Some(78))),
            (Some("after=07"), None),
            (Some("after="), None),
            (Some("after=7&run=1"), None),
            (Some("run=1"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(parse(query), expected, "{query:?}");
        }
    }
}
