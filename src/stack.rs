//! Roles in one process: which are started, on which addresses, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_server::{Running, StartError};
use pay::Pay;
use tollgate_config::Gateway;

/// What to boot.
#[derive(Debug)]
pub struct Plan {
    pub gateway: Gateway,
    /// The pay services, with their addresses already chosen; `None` where others stand in.
    pub pay: Option<pay::Settings>,
}

/// Roles that run.
#[derive(Debug)]
pub struct Stack {
    gateway: Arc<Running>,
    pay: Option<Pay>,
}

#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("the pay services did not start")]
    Pay(#[from] pay::BootError),
    #[error("the gateway did not start")]
    Gateway(#[from] StartError),
}

impl Plan {
    /// The gateway of a configuration, with pay services on the addresses where it expects them:
    /// the services named as they are, as far as their endpoints are on this machine.
    #[must_use]
    pub fn with_pay(gateway: Gateway, pay_admin: SocketAddr) -> Self {
        let endpoints = |name: &str| -> Vec<SocketAddr> {
            let mut named = gateway
                .services
                .iter()
                .filter(|policy| &*policy.name == name);
            let endpoints = named.next().map(|policy| policy.endpoints.as_slice());
            let ours = endpoints
                .into_iter()
                .flatten()
                .filter(|at| at.ip().is_loopback());
            ours.copied().collect()
        };
        let listen = pay::Listen {
            membership: endpoints("membership"),
            banking: endpoints("banking"),
            money: endpoints("money"),
            remittance: endpoints("remittance"),
            admin: pay_admin,
        };
        let is_wanted = [
            &listen.membership,
            &listen.banking,
            &listen.money,
            &listen.remittance,
        ]
        .iter()
        .all(|addresses| !addresses.is_empty());
        Self {
            gateway,
            pay: is_wanted.then(|| pay::Settings::new(listen)),
        }
    }
}

impl Stack {
    /// Starts everything, or nothing.
    pub async fn boot(plan: Plan) -> Result<Self, BootError> {
        let pay = match plan.pay {
            Some(settings) => Some(Pay::boot(settings).await?),
            None => None,
        };
        match Running::start(plan.gateway).await {
            Ok(gateway) => Ok(Self {
                gateway: Arc::new(gateway),
                pay,
            }),
            Err(error) => {
                if let Some(pay) = pay {
                    pay.shutdown().await;
                }
                Err(error.into())
            }
        }
    }

    #[must_use]
    pub fn gateway(&self) -> &Arc<Running> {
        &self.gateway
    }

    #[must_use]
    pub fn pay(&self) -> Option<&Pay> {
        self.pay.as_ref()
    }

    /// Stops the gateway first, so that what is under way still finds its services. `false` when
    /// the drain deadline came before the last connection ended.
    pub async fn stop(self, lame_duck: Option<Duration>) -> bool {
        let is_empty = self.gateway.stop(lame_duck).await;
        if let Some(pay) = self.pay {
            pay.shutdown().await;
        }
        is_empty
    }
}
