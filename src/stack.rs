//! Roles in one process: which are started, on which addresses, and how they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use composer_engine::serve::Composer;
use gateway_server::Running;
use idp_server::Idp;
use pay::Pay;
use tollgate_config::{Gateway, Provider};

/// Whom the pay services want tokens to be meant for.
const PAY_AUDIENCE: &str = "pay";

/// What to boot; nothing of what is absent.
#[derive(Debug, Default)]
pub struct Plan {
    pub gateway: Option<Gateway>,
    pub provider: Option<Provider>,
    /// A composer by itself; that of a gateway is part of it.
    pub composer: Option<composer_engine::serve::Settings>,
    /// The pay services, with their addresses already chosen.
    pub pay: Option<pay::Settings>,
}

/// Roles that run.
#[derive(Debug)]
pub struct Stack {
    gateway: Option<Arc<Running>>,
    idp: Option<Idp>,
    composer: Option<Composer>,
    pay: Option<Pay>,
}

#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("the pay services did not start")]
    Pay(#[from] pay::BootError),
    #[error("the identity provider did not start")]
    Idp(#[from] idp_server::StartError),
    #[error("the composer did not start")]
    Composer(#[from] composer_engine::serve::StartError),
    #[error("the gateway did not start")]
    Gateway(#[from] gateway_server::StartError),
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
            gateway: Some(gateway),
            provider: None,
            composer: None,
            pay: is_wanted.then(|| pay::Settings::new(listen)),
        }
    }
}

impl Stack {
    /// Starts everything, or nothing: whoever is asked before whoever asks.
    pub async fn boot(plan: Plan) -> Result<Self, BootError> {
        let mut stack = Self {
            gateway: None,
            idp: None,
            composer: None,
            pay: None,
        };
        // Large, since so many kinds of things are started.
        match Box::pin(stack.start(plan)).await {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.stop(Some(Duration::ZERO)).await;
                Err(error)
            }
        }
    }

    async fn start(&mut self, plan: Plan) -> Result<(), BootError> {
        let mut gateway = plan.gateway;
        if let Some(provider) = plan.provider {
            let idp = Idp::start(provider).await?;
            if let Some(gateway) = &mut gateway {
                find_ports(gateway, &idp.addresses());
            }
            self.idp = Some(idp);
        }
        if let Some(mut settings) = plan.pay {
            settings.trust = gateway.as_ref().and_then(trust);
            self.pay = Some(Pay::boot(settings).await?);
        }
        if let Some(settings) = plan.composer {
            self.composer = Some(Composer::start(settings).await?);
        }
        if let Some(gateway) = gateway {
            self.gateway = Some(Arc::new(Running::start(gateway).await?));
        }
        Ok(())
    }

    #[must_use]
    pub fn gateway(&self) -> Option<&Arc<Running>> {
        self.gateway.as_ref()
    }

    #[must_use]
    pub fn idp(&self) -> Option<&Idp> {
        self.idp.as_ref()
    }

    #[must_use]
    pub fn composer(&self) -> Option<&Composer> {
        self.composer.as_ref()
    }

    #[must_use]
    pub fn pay(&self) -> Option<&Pay> {
        self.pay.as_ref()
    }

    /// Stops the gateway first, so that what is under way still finds its services. `false` when
    /// the drain deadline came before the last connection ended.
    pub async fn stop(self, lame_duck: Option<Duration>) -> bool {
        let mut is_empty = true;
        if let Some(gateway) = self.gateway {
            is_empty &= gateway.stop(lame_duck).await;
        }
        if let Some(composer) = self.composer {
            is_empty &= composer.stop().await;
        }
        if let Some(idp) = self.idp {
            is_empty &= idp.stop().await;
        }
        if let Some(pay) = self.pay {
            pay.shutdown().await;
        }
        is_empty
    }
}

/// Where a provider in this process was to choose a port, the gateway learns which it is.
fn find_ports(gateway: &mut Gateway, provider: &idp_server::Addresses) {
    if let Some(idp) = &mut gateway.idp {
        for (known, chosen) in [
            (&mut idp.listen, provider.public),
            (&mut idp.internal, provider.internal),
        ] {
            if known.port() == 0 {
                known.set_port(chosen.port());
            }
        }
    }
}

/// Where the gateway asks callers who they are, the pay services believe nobody but its provider.
fn trust(gateway: &Gateway) -> Option<pay::Trust> {
    let idp = gateway.idp.as_ref()?;
    let mut routes = gateway.routes.routes().iter();
    routes
        .any(|route| route.admission.is_some())
        .then(|| pay::Trust {
            issuer: idp.issuer.clone(),
            jwks_url: format!("http://{}/jwks", idp.listen),
            audience: PAY_AUDIENCE.to_owned(),
        })
}
