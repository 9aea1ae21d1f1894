//! Which endpoint of a service takes the next exchange?
//!
//! The less busy of two random choices: nearly as even as asking all of them, without the herd that
//! runs to whoever looked idle a moment ago.

use std::sync::Arc;

use crate::endpoint::{Endpoint, InFlight};
use crate::policy::Policy;

/// A service and the state of its endpoints. It outlives a reload that does not change its policy.
#[derive(Debug)]
pub struct Service {
    policy: Policy,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Service {
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let endpoints = policy
            .endpoints
            .iter()
            .map(|at| Arc::new(Endpoint::new(*at)))
            .collect();
        Self { policy, endpoints }
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Picks an endpoint that is not among `tried` and begins an exchange with it.
    #[must_use]
    pub fn pick(&self, tried: &[usize], random: u64) -> Option<InFlight> {
        let untried = self
            .endpoints
            .len()
            .checked_sub(tried.len())
            .filter(|left| *left > 0)?;
        let first = self.untried(tried, bounded(random & 0xffff_ffff, untried))?;
        let second = self.untried(tried, bounded(random >> 32, untried))?;
        let (place, endpoint) = if second.1.in_flight() < first.1.in_flight() {
            second
        } else {
            first
        };
        Some(InFlight::begin(endpoint, place))
    }

    fn untried(&self, tried: &[usize], nth: usize) -> Option<(usize, &Arc<Endpoint>)> {
        self.endpoints
            .iter()
            .enumerate()
            .filter(|(place, _)| !tried.contains(place))
            .nth(nth)
    }
}

/// Spreads 32 random bits over `0..below`.
fn bounded(random: u64, below: usize) -> usize {
    usize::try_from((random * below as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use proptest::prelude::*;

    use crate::policy::Timeouts;

    use super::*;

    fn service(count: u16) -> Service {
        let endpoints = (0..count).map(|n| SocketAddr::from((Ipv4Addr::LOCALHOST, 9000 + n)));
        Service::new(Policy {
            name: Arc::from("s"),
            endpoints: endpoints.collect(),
            timeouts: Timeouts::default(),
        })
    }

    #[test]
    fn the_less_busy_of_two_choices_is_taken() {
        let service = service(2);
        let first_then_second = 0xffff_ffff_0000_0000;
        let busy = service.pick(&[1], 0).unwrap();
        assert_eq!(busy.place(), 0);

        assert_eq!(service.pick(&[], first_then_second).unwrap().place(), 1);
        drop(busy);
        assert_eq!(service.pick(&[], first_then_second).unwrap().place(), 0);
    }

    #[test]
    fn an_endpoint_is_tried_once_and_then_no_more() {
        let service = service(3);
        let mut tried = Vec::new();
        for _ in 0..3 {
            tried.push(service.pick(&tried, u64::MAX).unwrap().place());
        }
        tried.sort_unstable();
        assert_eq!(tried, [0, 1, 2]);
        assert!(service.pick(&tried, 0).is_none());
    }

    #[test]
    fn an_exchange_counts_until_it_is_dropped() {
        let service = service(1);
        let picked: Vec<_> = (0..5).map(|n| service.pick(&[], n)).collect();
        assert_eq!(service.endpoints()[0].in_flight(), 5);
        drop(picked);
        assert_eq!(service.endpoints()[0].in_flight(), 0);
    }

    proptest! {
        #[test]
        fn every_endpoint_that_is_left_can_be_picked(count in 1_u16..9, random: u64) {
            let service = service(count);
            let place = service.pick(&[], random).unwrap().place();
            prop_assert!(place < usize::from(count));
            let tried: Vec<_> = (0..usize::from(count)).filter(|other| *other != place).collect();
            prop_assert_eq!(service.pick(&tried, random).unwrap().place(), place);
        }
    }
}
