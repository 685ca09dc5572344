//! Recognising rows of documents that are not followed, without a parser.

/// Finds the id and the sequence of a row by its first members, without reading the rest. `None` if
/// that needs a parser: the row has no id, or its id has escapes.
///
/// Cost: the bytes up to the later of the two members are scanned; nothing is allocated. In
/// `CouchDB`'s rows they come first.
pub(crate) fn skim(line: &[u8]) -> Option<(&str, &[u8])> {
    let mut rest = line.trim_ascii();
    rest = rest.strip_suffix(b"}")?.strip_prefix(b"{")?;
    let (mut id, mut seq) = (None, None);
    loop {
        let name = string_at(rest.trim_ascii_start())?;
        rest = rest.trim_ascii_start()[name.len() + 2..].trim_ascii_start();
        rest = rest.strip_prefix(b":")?.trim_ascii_start();
        let value = &rest[..value_len(rest)?];
        rest = rest[value.len()..].trim_ascii_start();
        match name {
            b"id" => id = Some(string_at(value)?),
            b"seq" => seq = Some(value),
            _ => {}
        }
        if let (Some(id), Some(seq)) = (id, seq) {
            return Some((std::str::from_utf8(id).ok()?, seq));
        }
        rest = rest.strip_prefix(b",")?;
    }
}

/// The text of the JSON string at the start of `json`, if it has no escapes.
fn string_at(json: &[u8]) -> Option<&[u8]> {
    let text = json.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    (text[end] == b'"').then(|| &text[..end])
}

/// The length of the JSON value at the start of `json`, if it ends there and its brackets match.
fn value_len(json: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match json.get(at)? {
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
                    if json[at] == b'"' {
                        break;
                    }
                    at += 2;
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
        if depth == 0 && (at == json.len() || matches!(json[at - 1], b'"' | b'}' | b']')) {
            return Some(at);
        }
    }
}
