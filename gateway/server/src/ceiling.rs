//! How many client connections may be open at once, given what the system allows?
//!
//! Half the file descriptors are left for connections to services, files and the operator: a gateway
//! that cannot reach its services is no use to the clients it let in.

/// The configured ceiling, or half the descriptors of this process where that is less.
pub(crate) fn connections_max(configured: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let Some(descriptors) = open_files_soft(&limits) else {
        return configured;
    };
    let allowed = descriptors / 2;
    if allowed < configured {
        tracing::warn!(
            configured,
            allowed,
            descriptors,
            "`limits.connections` is lowered to half the file descriptors; raise `ulimit -n`"
        );
    }
    configured.min(allowed)
}

/// The soft limit on open files; `None` where there is none or none is told.
fn open_files_soft(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_where_there_is_one() {
        let table = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max processes             95946                95946                processes\n\
                 Max open files            {soft:<20} 1048576              files\n"
            )
        };
        #[rustfmt::skip]
        let cases = [
            (table("1024"),       Some(1024)),
            (table("unlimited"),  None),
            (String::new(),       None),
            ("Max open files".to_owned(), None),
        ];
        for (limits, expected) in cases {
            assert_eq!(open_files_soft(&limits), expected, "{limits}");
        }
    }
}
