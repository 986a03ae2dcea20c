//! Files are checked against the committed schema before anything else is made of them.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Fault;

/// Lines about one file at most.
const MOST_LINES: usize = 10;

/// A JSON Schema, draft 2020-12, for baselines; its `$defs/report` is for reports.
#[derive(Debug)]
pub struct Schema {
    baselines: Validator,
    report: Validator,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A file that is no schema of that draft, or one without `$defs/report`.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let schema = value(path)?;
        let draft = "https://json-schema.org/draft/2020-12/schema";
        if schema["$schema"] != draft {
            return Err(Fault::of(path, format!("$schema must be {draft}")));
        }
        let compiled = |schema: &Value| {
            jsonschema::draft202012::new(schema).map_err(|error| Fault::of(path, error))
        };
        let report = json!({
            "$schema": draft, "$ref": "#/$defs/report", "$defs": schema["$defs"],
        });
        Ok(Self {
            baselines: compiled(&schema)?,
            report: compiled(&report)?,
        })
    }

    /// Reads baselines.
    ///
    /// # Errors
    /// What is wrong with them, a line for each fault.
    pub fn read_baselines<T: DeserializeOwned>(&self, path: &Path) -> Result<T, Fault> {
        read(&self.baselines, path)
    }

    /// Reads a report.
    ///
    /// # Errors
    /// What is wrong with it, a line for each fault.
    pub fn read_report<T: DeserializeOwned>(&self, path: &Path) -> Result<T, Fault> {
        read(&self.report, path)
    }

    /// Checks baselines that are to be written.
    ///
    /// # Errors
    /// What is wrong with them, a line for each fault.
    pub fn check_baselines(&self, path: &Path, baselines: &Value) -> Result<(), Fault> {
        check(&self.baselines, path, baselines)
    }

    /// Checks a report that is to be written.
    ///
    /// # Errors
    /// What is wrong with it, a line for each fault.
    pub fn check_report(&self, path: &Path, report: &Value) -> Result<(), Fault> {
        check(&self.report, path, report)
    }
}

fn read<T: DeserializeOwned>(validator: &Validator, path: &Path) -> Result<T, Fault> {
    let value = value(path)?;
    check(validator, path, &value)?;
    serde_json::from_value(value).map_err(|error| Fault::of(path, error))
}

fn check(validator: &Validator, path: &Path, value: &Value) -> Result<(), Fault> {
    let lines: Vec<String> = validator
        .iter_errors(value)
        .take(MOST_LINES)
        .map(|error| {
            let place = error.instance_path.to_string();
            format!("{}: {place}: {error}", path.display())
        })
        .collect();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(Fault::Refused(lines.join("\n")))
    }
}

fn value(path: &Path) -> Result<Value, Fault> {
    let text = fs::read_to_string(path).map_err(|error| Fault::of(path, error))?;
    serde_json::from_str(&text).map_err(|error| Fault::of(path, error))
}
