//! The baselines of a crate.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::noise::Noise;
use crate::report::median;
use crate::schema::Schema;
use crate::{Fault, Figure, Load, Report};

/// A file of baselines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baselines {
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    /// The crate whose figures they are.
    #[serde(rename = "crate")]
    pub krate: String,
    baselines: Vec<Baseline>,
}

/// What the figures of a class of hosts are compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// What the team calls these machines.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The machine's class.
    pub host_class: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// The commit that was measured.
    pub commit: String,
    /// When.
    pub recorded: String,
    /// What was asked of the programs.
    pub load: Load,
    /// The machine's noise before the first run.
    pub noise: Noise,
    /// The figures.
    #[serde(flatten)]
    pub figures: BTreeMap<Figure, f64>,
}

impl Baselines {
    /// Reads those of `krate`.
    ///
    /// # Errors
    /// A file that breaks the schema, of another crate, or with a class that stands there twice.
    pub fn read(path: &Path, schema: &Schema, krate: &str) -> Result<Self, Fault> {
        let file: Self = schema.read_baselines(path)?;
        if file.krate != krate {
            let other = &file.krate;
            return Err(Fault::of(
                path,
                format!("crate: must be {krate}, is {other}"),
            ));
        }
        for (index, baseline) in file.baselines.iter().enumerate() {
            let class = &baseline.host_class;
            if file.baselines[..index]
                .iter()
                .any(|other| other.host_class == *class)
            {
                return Err(Fault::of(path, format!("{class}: must stand there once")));
            }
        }
        Ok(file)
    }

    /// The one for a class of hosts.
    ///
    /// # Errors
    /// There is none.
    pub fn of(&self, host_class: &str) -> Result<&Baseline, Fault> {
        let mut all = self.baselines.iter();
        all.find(|baseline| baseline.host_class == host_class)
            .ok_or_else(|| {
                let known: Vec<&str> = self.baselines.iter().map(|one| &*one.host_class).collect();
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                Fault::NoBaseline(format!(
                    "no verdict: there is no baseline for {host_class} (there is for: {known})"
                ))
            })
    }

    /// Puts a baseline into the place of its class.
    pub fn put(&mut self, baseline: Baseline) {
        self.baselines
            .retain(|other| other.host_class != baseline.host_class);
        self.baselines.push(baseline);
        self.baselines
            .sort_by(|one, other| one.host_class.cmp(&other.host_class));
    }

    /// Writes the file, as a whole or not at all.
    ///
    /// # Errors
    /// What the schema does not allow; a file that cannot be written.
    pub fn write(&self, path: &Path, schema: &Schema) -> Result<(), Fault> {
        schema.check_baselines(path, &json!(self))?;
        crate::command::write_json(path, self)
    }
}

impl Baseline {
    /// The medians of a report.
    ///
    /// # Errors
    /// A figure that is missing.
    pub fn of(report: &Report, reference: &str) -> Result<Self, Fault> {
        let mut figures = BTreeMap::new();
        for figure in Figure::ALL {
            let values = report.values(figure);
            match median(&values) {
                Some(value) if values.len() == report.runs.len() => {
                    figures.insert(figure, value);
                }
                _ => {
                    let reason = report.reason(figure).unwrap_or("no run has it");
                    return Err(Fault::Refused(format!(
                        "{}: not measured: {reason}",
                        figure.key()
                    )));
                }
            }
        }
        Ok(Self {
            reference: reference.to_owned(),
            host_class: report.host.host_class.clone(),
            kernel: report.host.kernel.clone(),
            cpu: report.host.cpu.clone(),
            commit: report.commit.clone(),
            recorded: report.measured.clone(),
            load: report.load,
            noise: report.noise,
            figures,
        })
    }
}
