//! Reading members of JSON objects.

use crate::row::members;
use serde_json::value::RawValue;

#[track_caller]
fn check(json: &str, expected: Option<[Option<&str>; 2]>) {
    let found = members(json.as_bytes(), ["a", "b"]);
    assert_eq!(found.map(|found| found.map(|value| value.map(RawValue::get))), expected);
}

#[test]
fn members_come_as_they_were_written_and_the_later_of_two_counts() {
    check("{}", Some([None, None]));
    check(r#" {"b" : 1.50 , "c":[{"a":2}]} "#, Some([None, Some("1.50")]));
    check(r#"{"a":1,"b":null,"a":"\u00e9"}"#, Some([Some(r#""\u00e9""#), Some("null")]));
    check(r#"{"\u0061":{"b":0}}"#, Some([Some(r#"{"b":0}"#), None]));
}

#[test]
fn a_member_may_be_as_deep_as_it_likes() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    check(&format!("{{\"z\":{deep},\"a\":{deep}}}"), Some([Some(&deep), None]));
}

#[test]
fn what_is_no_object_has_no_members() {
    for json in ["", "[]", "7", "\"a\"", r#"{"a":1"#, r#"{"a":1}{}"#, r#"{"a":}"#, "{a:1}"] {
        check(json, None);
    }
    for json in [&b"{\"a\":\"\xff\"}"[..], b"{\"z\":\"\xff\"}", b"{\"\xff\":1}", b"{\"a\":\"\n\"}"]
    {
        assert!(members(json, ["a"]).is_none());
    }
}
