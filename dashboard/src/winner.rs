//! The order of revisions, by which CouchDB selects the winner among the branches of a document.

/// Stands for the revision of a document that the database does not have. Revisions of CouchDB have
/// a dash, so this is none of them.
pub(crate) const MISSING: &str = "none";

/// Returns true if `rev` is newer than `than`: the number before the dash counts first, then the
/// hash after it. Every revision is newer than a document that is missing or unknown (`None`). Text
/// of another form has no order and is newer than nothing.
pub(crate) fn is_newer(rev: &str, than: Option<&str>) -> bool {
    let Some(rev) = order(rev) else { return false };
    match than {
        None | Some(MISSING) => true,
        Some(than) => order(than).is_some_and(|than| rev > than),
    }
}

fn order(rev: &str) -> Option<(u64, &str)> {
    let (edits, hash) = rev.split_once('-').filter(|(_, hash)| !hash.is_empty())?;
    // `parse` would accept a plus sign.
    let edits = Some(edits).filter(|edits| edits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((edits.parse().ok()?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_counts_first_and_then_the_hash() {
        for (rev, than, expected) in [
            ("8-a", Some("7-b"), true),
            ("7-b", Some("8-a"), false),
            ("10-a", Some("9-a"), true),
            ("7-b", Some("7-a"), true),
            ("7-a", Some("7-b"), false),
            ("7-a", Some("7-a"), false),
            ("1-a", None, true),
            ("1-a", Some(MISSING), true),
            (MISSING, Some("1-a"), false),
            (MISSING, None, false),
            ("18446744073709551615-a", Some("1-a"), true),
            ("18446744073709551616-a", Some("1-a"), false),
            ("+9-a", Some("1-a"), false),
            ("-9-a", Some("1-a"), false),
            ("9-", Some("1-a"), false),
            ("-", None, false),
            ("", None, false),
            ("abc", None, false),
            ("9-a", Some("abc"), false),
        ] {
            assert_eq!(is_newer(rev, than), expected, "{rev} than {than:?}");
        }
    }
}
