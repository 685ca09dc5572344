//! Checkpoints as text, and what they belong to.

use crate::checkpoint::{Checkpoint, Marks, Mismatch, NoCheckpoint};
use crate::row::Seq;

fn checkpoint() -> Checkpoint {
    Checkpoint {
        seq: Seq(r#"[4,"g1"]"#.into()),
        server: Some("u1".into()),
        database: "http://h:5984/a/db".into(),
        identity: Some("17".into()),
        query: "filter=_selector {\"selector\":{}}".into(),
        purges: Some("3".into()),
        recent: Marks::parse("00000000000000010000000000000002"),
    }
}

#[test]
fn a_written_checkpoint_is_read_back() {
    let whole = checkpoint();
    let bare = Checkpoint { server: None, identity: None, query: String::new(), ..checkpoint() };
    let bare = Checkpoint { recent: Marks::default(), purges: None, ..bare };
    for checkpoint in [whole, bare] {
        assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
    }
    let one = "{\"seq\":\"1\",\"database\":\"http://h:1/d\",\"query\":\"\",\"new\":[]}";
    assert!(one.parse::<Checkpoint>().is_ok());
    let recent = one.replace("\"new\":[]", "\"recent\":\"of another version\"");
    assert_eq!(recent.parse::<Checkpoint>(), one.parse());
    let whole = checkpoint().to_string();
    for end in 0..whole.trim_end().len() {
        assert_eq!(whole[..end].parse::<Checkpoint>(), Err(NoCheckpoint), "{end}");
    }
    for text in ["0", "{\"seq\":\"\",\"database\":\"\",\"query\":\"\"}", "\0\0\0\0"] {
        assert_eq!(text.parse::<Checkpoint>(), Err(NoCheckpoint), "{text}");
    }
}

#[test]
fn a_checkpoint_is_compared_with_what_is_followed() {
    let check = |now: Checkpoint, expected: Option<Mismatch>| {
        assert_eq!(checkpoint().mismatch(&now), expected, "{now}");
    };
    check(checkpoint(), None);
    check(Checkpoint { seq: Seq::beginning(), ..checkpoint() }, None);
    check(Checkpoint { recent: Marks::default(), ..checkpoint() }, None);
    check(Checkpoint { identity: None, ..checkpoint() }, None);
    check(Checkpoint { server: None, ..checkpoint() }, None);
    let moved = || Checkpoint { database: "http://new:80/a/db".into(), ..checkpoint() };
    check(moved(), None);
    check(Checkpoint { server: None, ..moved() }, Some(Mismatch::Server));
    check(Checkpoint { server: Some("u2".into()), ..checkpoint() }, Some(Mismatch::Server));
    let other = Checkpoint { database: "http://h:5984/a/other".into(), ..checkpoint() };
    check(other, Some(Mismatch::Database));
    check(Checkpoint { identity: Some("18".into()), ..checkpoint() }, Some(Mismatch::Identity));
    check(Checkpoint { query: String::new(), ..checkpoint() }, Some(Mismatch::Query));
}
