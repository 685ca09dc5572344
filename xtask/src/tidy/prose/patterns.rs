//! The patterns of wording that is hard to read, as a table.

use regex::Regex;

/// Wording to avoid. A name may have several rows.
struct Row {
    name: &'static str,
    pattern: &'static str,
    /// No finding if one of these words is directly before it.
    except_after: &'static [&'static str],
    /// No finding if this pattern matches the text directly after it.
    except_before: &'static str,
    /// No finding in a question.
    is_allowed_in_questions: bool,
}

const ROW: Row = Row {
    name: "",
    pattern: "",
    except_after: &[],
    except_before: "",
    is_allowed_in_questions: false,
};

const ROWS: &[Row] = &[
    Row {
        name: "who",
        pattern: concat!(
            r"\b(?:who|whom|whoever|nobody|anybody|somebody|everybody|everyone|anyone",
            r"|someone)\b",
        ),
        except_after: &["people", "users", "operators", "authors", "readers", "programmers"],
        ..ROW
    },
    // Only the first group may hold the words of `CLAUSES`.
    Row {
        name: "for",
        pattern: concat!(
            r"[,;:] for (?:(?:it|they|there|we|nothing|neither|none|then|otherwise) ",
            r"|(?P<subject>(?:[\w`'’-]+ ){1,7}?)(?:is|are|was|were|has|have|had|may|might|can",
            r"|could|would|will|must|does|do|did|never|take|owns|knows|costs|needs|keeps",
            r"|comes?|makes?|gives?|says?|sends?|reads?|cannot|need|begins?|ends?|counts?",
            r"|stays?|asks?) \w)",
        ),
        ..ROW
    },
    Row { name: "whether", pattern: r"^Whether\b", is_allowed_in_questions: true, ..ROW },
    Row { name: "whether", pattern: r"; whether\b", ..ROW },
    Row {
        name: "which",
        pattern: concat!(
            r"\b(?:that which|those (?:that|which|who)|ones that|all that|anything that|of what",
            r"|of which there)\b",
        ),
        ..ROW
    },
    Row {
        name: "what",
        pattern: concat!(
            r"\bwhat (?:is|was|are|were|has|had|comes?|came|stands?|goes|went|there|it is|else",
            r"|waits)\b",
        ),
        except_after: &["say", "says", "show", "shows", "see", "know", "knows"],
        is_allowed_in_questions: true,
        ..ROW
    },
    Row {
        name: "is-to",
        pattern: r"\b(?:is|are|was|were) (?:not |still |yet |only |there )?to ",
        except_before: r"(?:the|a|an|this|that|its|it|each|one|no|all)\b|[^a-z]|$",
        ..ROW
    },
    Row {
        name: "stands",
        pattern: r"\b(?:stands?|stood|standing)\b",
        except_before: r" (?:for|alone|on|out|still)\b",
        ..ROW
    },
    Row {
        name: "tell",
        pattern: concat!(
            r"\b(?:is|are|was|were|be|been|being|not|never|only|and|as|unless) told",
            r"|\btold ",
        ),
        except_before: r" ?to\b|apart",
        ..ROW
    },
    Row { name: "tell", pattern: r"\btells? ", except_before: r"\w+ apart|from", ..ROW },
    Row {
        name: "word",
        pattern: concat!(
            r"^As \[?`|\b(?:nothing|none|no \w+|anything|never|nowhere) but\b|\b(?:anew|beside",
            r"|thus|hence|there(?:in|by|of)|wherein|in vain|for want of|once more|go(?:es)? by",
            r"|sign of life|be had|yet to|a while|for ever|vouch|good for|thrown away|passed over",
            r"|let(?:s|ting)? \w+ go|let go|has its say|in coming|comes? again)\b",
        ),
        ..ROW
    },
    Row {
        name: "where",
        pattern: r"^Where [^?,]*, ",
        except_before: r"and|with|taken|among|in\b|on\b",
        ..ROW
    },
    Row { name: "where", pattern: r"\b(?:but|except|even|also) where\b", ..ROW },
    Row { name: "where", pattern: r", where (?:it|there|that|they|one|no|the)\b", ..ROW },
    Row {
        name: "alone",
        pattern: r"\balone\b",
        except_after: &["let", "left", "leave", "stands"],
        ..ROW
    },
    Row {
        name: "inverted",
        pattern: concat!(
            r"^(?:So|Nor|Neither|Not) (?:is|are|does|do|did|was|has|may|can|must|before|until)\b",
            r"|^So (?:it|they) (?:is|are|do)",
        ),
        ..ROW
    },
];

/// Words after which "for" begins no clause of a reason: "for the peer that has ended".
const CLAUSES: &[&str] = &["that", "which", "who", "whose", "when", "where", "to"];

#[derive(Debug)]
pub(super) struct Patterns {
    rows: Vec<(Regex, Regex)>,
    allow: Regex,
    link: Regex,
    code: Regex,
    word: Regex,
}

impl Patterns {
    pub(super) fn new() -> Patterns {
        let except = |row: &Row| match row.except_before {
            "" => compile("^[^\\s\\S]"),
            except => compile(&format!("(?i)^(?:{except})")),
        };
        let rows = ROWS.iter().map(|row| (compile(&format!("(?i){}", row.pattern)), except(row)));
        Patterns {
            rows: rows.collect(),
            allow: compile(r"prose: allow\(([^)]*)\)"),
            link: compile(r"\]\([^)]*\)|\]\[[^\]]*\]|<!--.*?-->|\*\*"),
            code: compile(r"`[^`]*`|\{[^}]*\}"),
            word: compile(r"\w[\w'’.-]*"),
        }
    }

    /// The names in every `prose: allow(NAME, NAME)` of a text.
    pub(super) fn allowed(&self, text: &str) -> Vec<String> {
        let lists = self.allow.captures_iter(text).map(|found| found[1].to_owned());
        lists.flat_map(|list| list.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Removes the addresses of links, comments of HTML and bold.
    pub(super) fn without_links(&self, text: &str) -> String {
        self.link.replace_all(text, "").into_owned()
    }

    /// Replaces code, because its names are not words of the sentence.
    pub(super) fn without_code(&self, sentence: &str) -> String {
        self.code.replace_all(sentence, "`code`").into_owned()
    }

    pub(super) fn words(&self, sentence: &str) -> usize {
        self.word.find_iter(sentence).count()
    }

    /// The names of the rows that match, each once.
    pub(super) fn found(&self, sentence: &str) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for (row, (pattern, except)) in ROWS.iter().zip(&self.rows) {
            let is_question = row.is_allowed_in_questions && sentence.ends_with('?');
            let is_found = pattern.captures_iter(sentence).any(|found| {
                let whole = found.get(0).expect("group 0 is the whole match");
                let before = sentence[..whole.start()].trim_end().rsplit(' ').next();
                let is_excepted = before.is_some_and(|before| {
                    row.except_after.iter().any(|word| word.eq_ignore_ascii_case(before))
                });
                let is_clause = found.name("subject").is_some_and(|subject| {
                    let mut words = subject.as_str().split(' ');
                    words.clone().next().is_some_and(|first| ["them", "so"].contains(&first))
                        || words.any(|word| CLAUSES.contains(&word))
                });
                !is_excepted && !is_clause && !except.is_match(&sentence[whole.end()..])
            });
            if is_found && !is_question && !names.contains(&row.name) {
                names.push(row.name);
            }
        }
        names
    }
}

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and a test compiles them")
}
