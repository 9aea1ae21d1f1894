//! The configurations of the peers, as files that their own users can read: what a run alone can know
//! stands between two `@` and is filled in.

use super::super::BenchError;

/// One of the files in `loadtest/peers`.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Template {
    /// Below `loadtest/peers`.
    pub(in crate::bench) name: &'static str,
    text: &'static str,
}

macro_rules! template {
    ($name:literal) => {
        Template {
            name: $name,
            text: include_str!(concat!("../../../../peers/", $name)),
        }
    };
}

pub(in crate::bench) const UPSTREAM: Template = template!("nginx/upstream.conf");
pub(in crate::bench) const NGINX_FORWARD: Template = template!("nginx/forward.conf");
pub(in crate::bench) const NGINX_TOKEN: Template = template!("nginx/token.conf");
pub(in crate::bench) const HAPROXY_FORWARD: Template = template!("haproxy/forward.cfg");
pub(in crate::bench) const HAPROXY_TOKEN: Template = template!("haproxy/token.cfg");
pub(in crate::bench) const ENVOY_FORWARD: Template = template!("envoy/forward.yaml");
pub(in crate::bench) const ENVOY_TOKEN: Template = template!("envoy/token.yaml");
pub(in crate::bench) const ENVOY_SIGNED: Template = template!("envoy/signed.yaml");
pub(in crate::bench) const VARNISH_FORWARD: Template = template!("varnish/forward.vcl");
pub(in crate::bench) const VARNISH_START: Template = template!("varnish/start.sh");
pub(in crate::bench) const TOLLGATE_FORWARD: Template = template!("tollgate/forward.yaml");
pub(in crate::bench) const TOLLGATE_IDP: Template = template!("tollgate/idp.yaml");
pub(in crate::bench) const TOLLGATE_TOKEN: Template = template!("tollgate/token.yaml");

impl Template {
    /// Each gap must be given a value, and each value have a gap: anything else is a slip of the pen.
    pub(in crate::bench) fn fill(&self, values: &[(&str, &str)]) -> Result<String, BenchError> {
        let mut text = self.text.to_owned();
        for (name, value) in values {
            let gap = format!("@{name}@");
            if !text.contains(&gap) {
                return Err(self.wrong(gap));
            }
            text = text.replace(&gap, value);
        }
        match gaps(self.text).find(|gap| values.iter().all(|(name, _)| name != gap)) {
            Some(gap) => Err(self.wrong(format!("@{gap}@"))),
            None => Ok(text),
        }
    }

    fn wrong(&self, gap: String) -> BenchError {
        BenchError::Unreadable {
            what: self.name,
            text: gap,
        }
    }
}

/// What stands between two `@`, in capitals.
fn gaps(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        let is_of_name = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        !word.is_empty() && word.bytes().all(is_of_name)
    };
    text.split('@').filter(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_wants_a_value_and_every_value_a_gap() {
        let template = Template {
            name: "test",
            text: "# between @ and @\nlisten @LISTEN@; log fd@1; to @UP_IP@ or @LISTEN@",
        };
        let filled = |values: &[(&str, &str)]| template.fill(values);
        let whole = [("LISTEN", "1"), ("UP_IP", "2")];
        assert_eq!(
            filled(&whole).unwrap(),
            "# between @ and @\nlisten 1; log fd@1; to 2 or 1"
        );
        let missing = filled(&whole[..1]).unwrap_err().to_string();
        assert!(missing.contains("@UP_IP@"), "{missing}");
        let unknown = [("LISTEN", "1"), ("UP_IP", "2"), ("UPS", "3")];
        let unknown = filled(&unknown).unwrap_err().to_string();
        assert!(unknown.contains("@UPS@"), "{unknown}");
    }
}
