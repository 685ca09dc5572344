//! One table: a row for each figure, a column for each contestant, the first of which is what the
//! others are compared with.

use crate::load::Run;
use crate::spread::Spread;
use serde_json::{Map, Value, json};
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// Figures of all programs that took part.
#[derive(Debug)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Row>,
    note: Option<&'static str>,
}

#[derive(Debug)]
struct Row {
    figure: Figure,
    cells: Vec<Cell>,
    /// Columns whose figure is the load's rather than the server's.
    bound: Vec<String>,
}

#[derive(Debug)]
struct Cell {
    column: String,
    spread: Spread,
    /// To the table's first column, if that is in the row.
    ratio: Option<f64>,
}

/// What a row tells.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    unit: &'static str,
    is_compared: bool,
    more_is_better: bool,
}

impl Figure {
    /// Something of which less is better, and which is compared with the first column's.
    pub fn new(name: &str, unit: &'static str) -> Self {
        Figure { name: name.to_owned(), unit, is_compared: true, more_is_better: false }
    }

    /// Not compared.
    pub fn plain(self) -> Self {
        Figure { is_compared: false, ..self }
    }

    /// More is better. The ratio stays this column's by the first's.
    pub fn more_is_better(self) -> Self {
        Figure { more_is_better: true, ..self }
    }
}

/// From this part of its core on, the load may be the bottleneck.
const LOAD_LIMIT_PERCENT: f64 = 85.0;

const LOAD_IS_LIMIT: &str = "† The load's own core was busy for at least 85 % of the time: the \
    figure may be the load's rather than the server's.";

impl Table {
    /// An empty one.
    pub fn new(title: &str) -> Self {
        Table { title: title.to_owned(), columns: vec![], rows: vec![], note: None }
    }

    /// Adds a row: the figure of each contestant that has taken turns. The ratio is the median of
    /// the turns' ratios, each to the first contestant's turn next to it. The machine's speed
    /// changes from one minute to the next, so turns that are far apart cannot be compared.
    pub fn add<T>(
        &mut self,
        figure: Figure,
        taken: &[(&'static str, Vec<T>)],
        spread: impl Fn(&[T]) -> Option<Spread>,
    ) {
        let turn = |turns: &[T], at: usize| Some(spread(turns.get(at..=at)?)?.median);
        let ratio = |turns: &[T], first: &[T]| {
            let ratios =
                (0..turns.len()).filter_map(|at| ratio(turn(turns, at)?, turn(first, at)?));
            Spread::of(ratios).map(|of| of.median)
        };
        let first = self.first_column(taken.first().map(|(name, _)| *name));
        let first = taken.iter().find(|(name, _)| *name == first);
        let first = first.map_or(&[][..], |(_, turns)| turns);
        let cells = taken.iter().filter_map(|(name, turns)| {
            let (spread, ratio) = (spread(turns)?, ratio(turns, first));
            Some(Cell { column: (*name).to_owned(), spread, ratio })
        });
        self.add_row(figure, cells.collect());
    }

    /// Adds a row of these cells, whose ratios are those of the medians.
    pub fn add_cells(&mut self, figure: Figure, cells: Vec<(String, Spread)>) {
        let first = self.first_column(cells.first().map(|(name, _)| name.as_str()));
        let first = cells.iter().find(|(name, _)| *name == first);
        let first = first.map_or(0.0, |(_, spread)| spread.median);
        let cells = cells.into_iter().map(|(column, spread)| Cell {
            column,
            spread,
            ratio: ratio(spread.median, first),
        });
        self.add_row(figure, cells.collect());
    }

    /// The column that the others are compared with, where a row begins with this one.
    fn first_column(&self, of_row: Option<&str>) -> String {
        self.columns.first().map(String::as_str).or(of_row).unwrap_or_default().to_owned()
    }

    fn add_row(&mut self, figure: Figure, cells: Vec<Cell>) {
        for cell in &cells {
            if !self.columns.contains(&cell.column) {
                self.columns.push(cell.column.clone());
            }
        }
        self.rows.push(Row { figure, cells, bound: vec![] });
    }

    /// Marks those cells of the row `name` whose cell of the row `busy` shows that the load was the
    /// limit.
    pub fn mark_where_load_is_limit(&mut self, name: &str, busy: &str) {
        let of = |row: &Row, name: &str| row.figure.name == name;
        let Some(busy) = self.rows.iter().find(|row| of(row, busy)) else { return };
        let bound: Vec<String> = busy
            .cells
            .iter()
            .filter(|cell| cell.spread.median >= LOAD_LIMIT_PERCENT)
            .map(|cell| cell.column.clone())
            .collect();
        if bound.is_empty() {
            return;
        }
        self.note = Some(LOAD_IS_LIMIT);
        if let Some(row) = self.rows.iter_mut().find(|row| of(row, name)) {
            row.bound = bound;
        }
    }

    /// As Markdown: the median, the smallest and the largest, and the ratio to the first column.
    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n| |", self.title);
        for column in &self.columns {
            let _ = write!(text, " {column} |"); // a String takes everything
        }
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(self.columns.len()));
        text.push('\n');
        for row in &self.rows {
            let comma = if row.figure.unit.is_empty() { "" } else { ", " };
            let _ = write!(text, "| {}{comma}{} |", row.figure.name, row.figure.unit);
            for column in &self.columns {
                let _ = write!(text, " {} |", row.cell(column, &self.columns[0]));
            }
            text.push('\n');
        }
        if let Some(note) = self.note {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({ "title": self.title, "rows": rows })
    }
}

impl Row {
    /// The ratio of a column to the first, if it is shown.
    fn ratio(&self, cell: &Cell) -> Option<f64> {
        cell.ratio.filter(|_| self.figure.is_compared)
    }

    fn cell(&self, column: &str, first: &str) -> String {
        let Some(cell) = self.cells.iter().find(|cell| cell.column == column) else {
            return "–".into();
        };
        let spread = cell.spread;
        let mut text = format!("**{}**", digits(spread.median));
        if self.bound.iter().any(|name| name == column) {
            text.push('†');
        }
        if spread.count > 1 {
            let _ = write!(text, " ({}–{})", digits(spread.min), digits(spread.max));
        }
        if let Some(ratio) = self.ratio(cell).filter(|_| column != first) {
            let _ = write!(text, " ×{ratio:.2}");
        }
        text
    }

    fn json(&self) -> Value {
        let Figure { name, unit, more_is_better, .. } = &self.figure;
        let cells: Map<String, Value> = self
            .cells
            .iter()
            .map(|cell| {
                let Spread { median, min, max, count } = cell.spread;
                let value = json!({
                    "median": median,
                    "min": min,
                    "max": max,
                    "samples": count,
                    "ratio": self.ratio(cell),
                    "load_is_limit": self.bound.contains(&cell.column),
                });
                (cell.column.clone(), value)
            })
            .collect();
        json!({ "figure": name, "unit": unit, "more_is_better": more_is_better, "cells": cells })
    }
}

/// Of one figure to another, unless that is nothing.
fn ratio(own: f64, first: f64) -> Option<f64> {
    (first > 0.0).then(|| own / first)
}

/// A table of requests that were answered one after the other.
pub fn runs_table(
    title: &str,
    what: &str,
    taken: &[(&'static str, Vec<(Run, Duration)>)],
) -> Table {
    let mut table = Table::new(title);
    table.add(Figure::new(&format!("CPU per {what}"), "µs"), taken, |runs| {
        Spread::of(runs.iter().map(|(run, time)| time.as_secs_f64() * 1e6 / run.count as f64))
    });
    let rate = format!("{what}s a second");
    table.add(Figure::new(&rate, "").more_is_better(), taken, |runs| {
        Spread::of(runs.iter().map(|(run, _)| run.count as f64 / run.time.as_secs_f64()))
    });
    table.add(Figure::new("load's core", "%").plain(), taken, |runs| {
        Spread::of(runs.iter().map(|(run, _)| run.load_busy * 100.0))
    });
    table.mark_where_load_is_limit(&rate, "load's core");
    table
}

/// Three digits, as many as the samples are worth.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => thousands(format_args!("{value:.0}")),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with commas.
pub fn thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if !matches!(text.as_str(), "" | "-") && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Figure, Table, digits, thousands};
    use crate::spread::Spread;

    #[test]
    fn a_table_tells_medians_spreads_and_ratios() {
        let taken = [("floor", vec![5.0, 4.0, 6.0]), ("other", vec![10.0])];
        let spread = |samples: &[f64]| Spread::of(samples.iter().copied());
        let mut table = Table::new("Title");
        table.add(Figure::new("CPU", "µs"), &taken, spread);
        table.add(Figure::new("busy", "%").plain(), &[("other", vec![99.0])], spread);
        table.mark_where_load_is_limit("CPU", "busy");
        let text = table.markdown();
        assert!(text.contains("| CPU, µs | **5.00** (4.00–6.00) | **10.0**† ×2.00 |"), "{text}");
        assert!(text.contains("| busy, % | – | **99.0** |"), "{text}");
        let json = table.json();
        assert_eq!(json["rows"][0]["cells"]["other"]["ratio"], 2.0);
        assert_eq!(json["rows"][0]["cells"]["other"]["load_is_limit"], true);
    }

    #[test]
    fn a_ratio_is_that_of_turns_side_by_side() {
        // The machine became slower by half after the first contestant's second turn.
        let taken = [("floor", vec![2.0, 2.0, 3.0]), ("other", vec![4.0, 6.0, 6.0])];
        let mut table = Table::new("Title");
        table.add(Figure::new("CPU", "µs"), &taken, |turns| Spread::of(turns.iter().copied()));
        assert_eq!(table.json()["rows"][0]["cells"]["other"]["ratio"], 2.0, "and not 3");
        let cells = [("floor", 2.0), ("other", 3.0)];
        let cells = cells.map(|(name, value)| (name.to_owned(), Spread::of([value]).expect("one")));
        table.add_cells(Figure::new("one", ""), cells.to_vec());
        assert_eq!(table.json()["rows"][1]["cells"]["other"]["ratio"], 1.5);
        // Nobody else takes the place of the first column where that has no figure.
        let taken = [("other", vec![1.0]), ("third", vec![2.0])];
        table.add(Figure::new("two", "µs"), &taken, |turns| Spread::of(turns.iter().copied()));
        assert!(table.json()["rows"][2]["cells"]["third"]["ratio"].is_null());
    }

    #[test]
    fn numbers_are_told_with_three_digits() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(-123), "-123");
        assert_eq!(["0.12", "12.3", "123", "1,234"], [0.123, 12.34, 123.4, 1234.2].map(digits)[..]);
    }
}
