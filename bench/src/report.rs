//! Tables of figures: as Markdown for readers, as JSON for programs.

mod table;

pub use table::{Figure, Table, runs_table, thousands};

use crate::Failure;
use crate::machine::Machine;
use crate::plot::{self, Panel};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// All results of a run.
#[derive(Debug)]
pub struct Report {
    machine: Machine,
    notes: Vec<String>,
    tables: Vec<Table>,
    panels: Vec<Panel>,
}

impl Report {
    /// An empty one.
    pub fn new(machine: Machine) -> Self {
        Report { machine, notes: vec![], tables: vec![], panels: vec![] }
    }

    /// Adds a table, and shows it at once.
    pub fn add(&mut self, table: Table) {
        println!("{}", table.markdown());
        self.tables.push(table);
    }

    /// Adds a panel to the plot.
    pub fn plot(&mut self, panel: Panel) {
        self.panels.push(panel);
    }

    /// Says what the reader should know of the run.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("   {note}");
        self.notes.push(note);
    }

    /// Lists the programs that do not take part, and why.
    pub fn leave_out(&mut self, name: &str, why: &str) {
        self.note(format!("{name} is left out: {why}"));
    }

    /// Writes `report.md`, `report.json` and, if there is one, `growth.svg`.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.md"), self.markdown())?;
        let json = serde_json::to_string_pretty(&self.json()).expect("values are JSON");
        fs::write(folder.join("report.json"), json + "\n")?;
        if !self.panels.is_empty() {
            plot::draw(&folder.join("growth.svg"), &self.panels)?;
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.machine.markdown());
        for note in &self.notes {
            let _ = writeln!(text, "- {note}"); // a String takes everything
        }
        for table in &self.tables {
            text.push('\n');
            text.push_str(&table.markdown());
        }
        text
    }

    fn json(&self) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(Table::json).collect();
        json!({ "machine": self.machine.json(), "notes": self.notes, "tables": tables })
    }
}
