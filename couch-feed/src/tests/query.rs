//! Queries as requests and as checkpoints have them.

use crate::query::{Query, QueryError};

#[test]
fn a_query_is_written_as_couchdb_reads_it() {
    let check = |query: Query, parameters: &str, body: Option<&str>| {
        assert_eq!(query.parameters(), parameters);
        assert_eq!(query.body().map(|body| &body[..]), body.map(str::as_bytes));
    };
    check(Query::new().include_docs().limit(7), "", None);
    let all = Query::new().conflicts().attachments().all_revs();
    assert!(all.has_docs);
    check(all, "&conflicts=true&attachments=true&style=all_docs", None);
    let filtered = Query::new().filter("app/mine", [("who", "a&b"), ("é", "1")]);
    check(filtered.unwrap(), "&filter=app%2Fmine&who=a%26b&%C3%A9=1", None);
    let none: [(&str, &str); 0] = [];
    check(Query::new().filter("_design", none).unwrap(), "&filter=_design", None);
    let ids = Query::new().doc_ids(["a", "b\"c"]);
    check(ids, "&filter=_doc_ids", Some(r#"{"doc_ids":["a","b\"c"]}"#));
    let selected = Query::new().selector(" {\"n\":{\"$gt\":12345678901234567890}}\n").unwrap();
    let body = r#"{"selector":{"n":{"$gt":12345678901234567890}}}"#;
    check(selected.clone(), "&filter=_selector", Some(body));
    check(selected.doc_ids(["x"]), "&filter=_doc_ids", Some(r#"{"doc_ids":["x"]}"#));
}

#[test]
fn what_would_change_how_a_feed_is_followed_is_refused() {
    for name in ["descending", "since", "feed", "limit", "heartbeat"] {
        let error = Query::new().filter("app/x", [(name, "true")]).unwrap_err();
        assert_eq!(error, QueryError::Parameter(name.into()));
    }
    for selector in ["", "[]", "7", "{", "{} {}"] {
        assert_eq!(Query::new().selector(selector), Err(QueryError::Selector), "{selector}");
    }
}

#[test]
fn queries_are_distinguished_by_the_rows_that_they_select() {
    let many =
        |last: &str| Query::new().doc_ids((0..1000).map(|n| n.to_string()).chain([last.into()]));
    assert_eq!(Query::new().include_docs().all_revs().limit(3).selected(), "");
    let filter = Query::new().filter("a/b", [("k", "v")]).unwrap();
    assert_eq!(filter.selected(), "filter=a%2Fb 3 bytes, fnv1a 3d0a411935b82599");
    assert_ne!(many("a").selected(), many("b").selected());
    assert!(many("a").selected().len() < 100);
}
