//! How much of anything one request may bring.

/// The limits that hold for every request, whatever its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; the next one is answered 503 and closed.
    pub connections_max: usize,
    /// Requests under way at once on one HTTP/2 connection; the next one is refused, to be tried again.
    pub streams_max: usize,
    /// Bytes of a request head, the empty line included; past it 431.
    pub head_bytes_max: usize,
    /// Bytes of a request target; past it 414.
    pub target_bytes_max: usize,
    /// Fields in a request head; past it 431.
    pub fields_max: usize,
}

/// No head may be larger than this, whatever is configured: positions in a head are 16 bits wide.
pub const HEAD_BYTES_CEILING: usize = 60 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            streams_max: 100,
            head_bytes_max: 32 * 1024,
            target_bytes_max: 8 * 1024,
            fields_max: 100,
        }
    }
}
