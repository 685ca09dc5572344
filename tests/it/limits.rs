//! `docs/limits.md` has every limit with its value, and names a test of its effect that exists.

use masque::couch_feed;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A value in the units of its constant: a number, or nanoseconds.
trait Value {
    fn value(self) -> u128;
}

macro_rules! values_of {
    ($($number:ty)*) => {
        $(impl Value for $number {
            fn value(self) -> u128 {
                self.try_into().unwrap_or(u128::MAX)
            }
        })*
    };
}

values_of!(usize u16 u32 u64 i32);

impl Value for Duration {
    fn value(self) -> u128 {
        self.as_nanos()
    }
}

macro_rules! values {
    ($limits:path: $($name:ident)*) => {{
        use $limits as limits;
        BTreeMap::from([$((stringify!($name), limits::$name.value())),*])
    }};
}

#[rustfmt::skip]
fn of_masque() -> BTreeMap<&'static str, u128> {
    values!(masque::limits:
        QUEUE_MAX SESSIONS_MAX SESSIONS_KEPT SHRINK_PAUSE TIMERS_MAX WHEELS_MAX
        CALL_DEPTH_MAX POLL_EVENTS_MAX NAME_LOOKUPS_MAX ACCEPTS_PER_TURN ACCEPT_RETRY
        LOG_PAUSE LISTEN_BACKLOG SEND_BUFFER_BYTES SEND_UNSENT_BYTES PEER_KEEPALIVE_IDLE
        PEER_KEEPALIVE_INTERVAL PEER_ACK_TIME CONNECTIONS_MAX CONNECT_TIME BACKOFF_MIN
        REFUSALS_MAX READ_BUFFER READ_PER_TURN ITEMS_PER_TURN ITEMS_WITHOUT_INPUT OUTPUT_MAX
        TLS_HELD_BYTES WRITE_SLICES FINISH_TIME LINGER_TIME LINGER_BYTES INPUT_BYTES
        LINE_BYTES LINE_COPIED_BYTES HTTP_HEAD_BYTES HTTP_TARGET_BYTES HTTP_HEADERS
        HTTP_BODY_BYTES HTTP_BODY_RESERVED_BYTES HTTP_HEAD_TIME HTTP_BODY_TIME
        HTTP_BODY_BYTES_PER_S HTTP_IDLE_TIME HTTP_STALL_TIME HTTP_OUTPUT_HIGH
        HTTP_OUTPUT_LOW CHUNK_EXTENSION_BYTES CHUNK_TRAILER_BYTES STREAM_INPUT_BYTES
        OUTPUT_KEPT_BYTES OUTPUT_COPIED_BYTES EVENT_STREAM_HIGH EVENT_STREAM_LOW
        FEED_CONNECT_TIME FEED_KEEPALIVE_IDLE FEED_KEEPALIVE_INTERVAL CHECKPOINT_PAUSE
        CHECKPOINT_FLUSH_TIME CHECKPOINT_BYTES
    )
}

#[rustfmt::skip]
fn of_couch_feed() -> BTreeMap<&'static str, u128> {
    values!(couch_feed::limits:
        HEARTBEAT ASKED_TIME_MAX SILENCE_MIN ANSWER_TIME ANSWER_HEARTBEATS ANSWER_TIME_MIN
        BYTES_PER_S PROOF_TIME SECOND_RESPONSE_TIME LOOK_PAUSE LINE_BYTES ANSWER_BYTES
        SECOND_RESPONSE_BYTES REASON_CHARS EVENTS_MAX WINDOW_ROWS WINDOW_BYTES RECENT_ROWS
        KEPT_ROWS FILTER_BYTES REDIRECTS_MAX PAGE_ROWS RETRY_FIRST RETRY_CAP RETRY_CAP_MIN
        PERMANENT_RETRY_MIN LOGIN_RETRY_MIN LOGIN_RETRY_CAP RETRY_AFTER_MAX
        STUCK_TIMES REREAD_PAUSE REREAD_TIMES
    )
}

#[rustfmt::skip]
fn of_couch_mem() -> BTreeMap<&'static str, u128> {
    values!(couch_mem::limits:
        DATABASES_MAX DATABASE_SIZE_MAX DOCUMENTS_MAX DOCUMENT_SIZE_MAX ID_LENGTH_MAX
        DATABASE_NAME_LENGTH_MAX HISTORY_LENGTH_MAX REVISION_LENGTH_MAX LEAVES_MAX
        BULK_ITEMS_MAX UUIDS_MAX FILTER_IDS_MAX ANSWER_SIZE_MAX ROWS_SIZE HEARTBEAT_MIN_MS
        HEARTBEAT_MAX_MS HEARTBEAT_DEFAULT_MS TIMEOUT_MAX_MS
    )
}

/// What a row of a table says.
struct Row<'a> {
    name: &'a str,
    default: &'a str,
    test: &'a str,
}

impl Row<'_> {
    /// The tests that it names. It has at least one, or says why there is none.
    fn tests(&self) -> Vec<&str> {
        if self.test.starts_with("not tested: ") || self.test.starts_with("only speed: ") {
            return vec![];
        }
        let names = self.test.split(", ").map(|name| name.trim_matches('`'));
        names.inspect(|name| assert!(*name != "-", "{} has no test", self.name)).collect()
    }
}

fn rows<'a>(text: &'a str, section: &str) -> Vec<Row<'a>> {
    let section = text.split("\n## ").find(|part| part.starts_with(&format!("{section}\n")));
    let rows = section.expect("each crate has a section").lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, default, .., test] = cells[..] else { panic!("{line}") };
        let test = test.trim_end_matches([' ', '|']);
        Some(Row { name: name.trim_end_matches('`'), default, test })
    });
    rows.collect()
}

/// A documented value, such as `64 KiB`. `None` if it is not one.
fn parse(default: &str) -> Option<u128> {
    if default == "the system's" {
        return Some(i32::MAX.value()); // more than any system allows
    }
    let (number, unit) = default.split_once(' ').unwrap_or((default, ""));
    let number: f64 = number.replace(',', "").parse().ok()?;
    let factor = match unit {
        "" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "ms" => 1e6,
        "s" => 1e9,
        "days" => 86_400e9,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are small")]
    Some((number * factor) as u128)
}

/// The names of all constants in a file of limits.
fn constants(path: &str) -> Vec<String> {
    let text = read(path);
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    names.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn each_limit_is_documented_with_its_value() {
    let text = read("docs/limits.md");
    for (section, file, values) in [
        ("masque", "src/limits.rs", of_masque()),
        ("couch-feed", "couch-feed/src/limits.rs", of_couch_feed()),
        ("couch-mem", "couch-mem/src/limits.rs", of_couch_mem()),
    ] {
        let rows = rows(&text, section);
        let documented: Vec<_> = rows.iter().map(|row| row.name.to_owned()).collect();
        assert_eq!(documented, constants(file), "the rows of {section}, in the order of {file}");
        for row in rows {
            let value = values.get(row.name).unwrap_or_else(|| panic!("{} is compared", row.name));
            let expected = parse(row.default);
            let expected = expected.unwrap_or_else(|| panic!("{} is {}", row.name, row.default));
            let difference = expected.abs_diff(*value);
            // A day with one decimal is rounded.
            assert!(difference <= expected / 100, "{} is {value}, not {}", row.name, row.default);
            assert!(row.default.contains("days") || difference == 0, "{} is {value}", row.name);
        }
    }
}

#[test]
fn each_test_that_the_documentation_names_exists() {
    let text = read("docs/limits.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let folders = ["src", "tests", "couch-feed/src", "couch-mem/src", "dashboard/src"];
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources += &std::fs::read_to_string(&path).unwrap();
            }
        }
    }
    for section in ["masque", "couch-feed", "couch-mem"] {
        for row in rows(&text, section) {
            for name in row.tests() {
                let test = format!("fn {name}()");
                assert!(sources.contains(&test), "{} is tested by {name}", row.name);
            }
        }
    }
}
