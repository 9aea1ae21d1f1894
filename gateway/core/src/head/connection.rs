//! What does `Connection` say of the hop it came over? RFC 9110 §7.6.1.

use super::HeadError;
use super::fields::is_token_byte;

/// `Connection` may name this many fields.
const NOMINATED_MAX: usize = 9;

#[derive(Debug, Default)]
pub(crate) struct Connection<'a> {
    closes: bool,
    keeps_alive: bool,
    /// Fields that end at this hop.
    pub(crate) nominated: Vec<&'a str>,
}

impl<'a> Connection<'a> {
    pub(crate) fn note(&mut self, value: &'a [u8]) -> Result<(), HeadError> {
        let text = std::str::from_utf8(value).map_err(|_| HeadError::Connection)?;
        let options = text.split(',');
        for option in options.map(|option| option.trim_matches([' ', '\t'])) {
            if option.eq_ignore_ascii_case("close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case("keep-alive") {
                self.keeps_alive = true;
            } else if !option.is_empty() {
                self.nominate(option)?;
            }
        }
        Ok(())
    }

    /// Whether another message may follow on this connection.
    pub(crate) fn goes_on(&self, is_http11: bool) -> bool {
        !self.closes && (is_http11 || self.keeps_alive)
    }

    fn nominate(&mut self, name: &'a str) -> Result<(), HeadError> {
        let is_token = name.bytes().all(is_token_byte);
        if !is_token || self.nominated.len() == NOMINATED_MAX {
            return Err(HeadError::Connection);
        }
        self.nominated.push(name);
        Ok(())
    }
}
