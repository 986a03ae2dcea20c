//! How much worse a figure may be: `+10p95,+10p99,-10throughput,+15cpu,+15mem`.

use std::str::FromStr;

use crate::{Figure, Worse};

/// One gate: the figures of `name` may be worse by `percent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// As the command line spells it.
    pub name: &'static str,
    /// How much worse they may be.
    pub percent: f64,
}

/// All gates of a check, each name once.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates(Vec<Gate>);

impl Gates {
    /// Each figure that is gated, with its percentage.
    pub fn figures(&self) -> impl Iterator<Item = (Figure, f64)> {
        Figure::ALL.into_iter().filter_map(|figure| {
            let gate = self.0.iter().find(|gate| gate.name == figure.gate())?;
            Some((figure, gate.percent))
        })
    }
}

impl FromStr for Gates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut gates: Vec<Gate> = Vec::new();
        for part in text.split(',') {
            let gate: Gate = part.trim().parse()?;
            if gates.iter().any(|known| known.name == gate.name) {
                return Err(format!("gate {part:?}: {} stands there twice", gate.name));
            }
            gates.push(gate);
        }
        Ok(Self(gates))
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (worse, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (Worse::Up, rest),
            Some(("-", rest)) => (Worse::Down, rest),
            _ => return Err(format!("gate {text:?}: must begin with + or -")),
        };
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.');
        let (number, name) = rest.split_at(end.unwrap_or(rest.len()));
        let percent = number
            .parse()
            .ok()
            .filter(|percent| (0.0..=1_000.0).contains(percent))
            .ok_or_else(|| format!("gate {text:?}: must have 0 to 1000 percent before its name"))?;
        let figure = Figure::ALL.into_iter().find(|figure| figure.gate() == name);
        let figure = figure.ok_or_else(|| {
            format!("gate {text:?}: {name:?} must be p95, p99, throughput, cpu or mem")
        })?;
        if figure.worse() != worse {
            let sign = if worse == Worse::Up { '-' } else { '+' };
            return Err(format!(
                "gate {text:?}: must be {sign}{number}{name}, the way in which it becomes worse"
            ));
        }
        Ok(Self {
            name: figure.gate(),
            percent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_hold_their_figures() {
        let gates: Gates = "+10p95, -12.5throughput".parse().unwrap();
        let figures: Vec<_> = gates.figures().collect();
        assert_eq!(
            figures,
            [
                (Figure::TlsSmallP95, 10.0),
                (Figure::TlsStream, 12.5),
                (Figure::QuicStream, 12.5)
            ]
        );
    }

    #[test]
    fn what_is_no_gate_is_refused_with_the_rule() {
        for text in [
            "",
            "10p95",
            "+p95",
            "+10",
            "+10p50",
            "+10%p95",
            "+10 p95",
            "-10p95",
            "+10throughput",
            "+1e9p95",
            "+2000p95",
            "+10p95,+20p95",
            "+10p95,",
            "+10ms",
        ] {
            let error = text.parse::<Gates>().expect_err(text);
            assert!(error.starts_with("gate "), "{error}");
        }
    }
}
