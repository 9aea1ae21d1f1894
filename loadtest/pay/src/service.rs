//! The four services by name.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Membership,
    Banking,
    Money,
    Remittance,
}

impl Service {
    pub(crate) const ALL: [Self; 4] = [
        Self::Membership,
        Self::Banking,
        Self::Money,
        Self::Remittance,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Banking => "banking",
            Self::Money => "money",
            Self::Remittance => "remittance",
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
