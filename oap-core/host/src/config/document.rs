//! The default file and the documentation's table, made from the table of keys.

use super::keys::keys;
#[cfg(test)]
use super::keys::{Change, Key};

/// Columns of a comment's line.
const WIDTH: usize = 96;

/// A commented TOML file that sets every key to its default. Each key is commented out, so that an
/// unedited copy sets nothing.
pub fn default_file() -> String {
    let mut out = String::from(
        "# Settings of OAP/1. Flags win over environment variables, those over this file, this\n\
         # file over the defaults, which are the values below.\n",
    );
    let mut section = "";
    for key in keys() {
        let (table, name) = key.name().rsplit_once('.').unwrap_or(("", key.name()));
        if table != section {
            out.push_str(&format!("\n[{table}]\n"));
            section = table;
        }
        out.push('\n');
        let rule = format!("Must be {}.", key.rule());
        for line in wrap(key.doc()).iter().chain(&wrap(&rule)) {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(&format!(
            "#{name} = {}\n",
            key.kind.toml(key.default_text())
        ));
    }
    out
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.len() + word.len() < WIDTH);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The table of `docs/configuration.md`.
#[cfg(test)]
pub(super) fn table() -> String {
    let mut out = String::from(
        "| key | default | a value must be | reload | meaning |\n|---|---|---|---|---|\n",
    );
    for key in keys() {
        out.push_str(&row(key));
    }
    out
}

#[cfg(test)]
fn row(key: &Key) -> String {
    let default = match key.default_text() {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    let reload = match key.change() {
        Change::Reload => "yes",
        Change::Downwards => "to less",
        Change::Restart => "no",
    };
    format!(
        "| `{}` | {default} | {} | {reload} | {} |\n",
        key.name(),
        key.rule(),
        key.doc()
    )
}
