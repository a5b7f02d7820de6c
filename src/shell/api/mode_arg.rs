//! A dial mode on the command line.

use crate::config::ratio_milli;
use crate::core::settings::DialMode;

/// Exactly one mode.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct ModeArg {
    /// As many lines as the forecast of free agents and answers allows
    #[arg(long)]
    predictive: bool,
    /// One line per free agent
    #[arg(long)]
    progressive: bool,
    /// A free agent is shown the next lead and says whether it is dialled
    #[arg(long)]
    preview: bool,
    /// Agents dial for themselves
    #[arg(long)]
    manual: bool,
    /// Lines per agent at work: ready, talking or in wrap-up
    #[arg(long, value_parser = ratio, value_name = "LINES")]
    lines_per_agent: Option<u32>,
    /// Lines per free agent
    #[arg(long, value_parser = ratio, value_name = "LINES")]
    lines_per_free_agent: Option<u32>,
}

impl From<ModeArg> for DialMode {
    fn from(arg: ModeArg) -> Self {
        match (arg.lines_per_agent, arg.lines_per_free_agent) {
            (Some(milli), _) => DialMode::LinesPerAgent { milli },
            (None, Some(milli)) => DialMode::LinesPerFreeAgent { milli },
            (None, None) if arg.predictive => DialMode::Predictive,
            (None, None) if arg.preview => DialMode::Preview,
            (None, None) if arg.manual => DialMode::Manual,
            (None, None) => DialMode::Progressive,
        }
    }
}

/// A pacing ratio as it is typed, in thousandths.
pub fn ratio(text: &str) -> Result<u32, String> {
    let ratio: f64 = text
        .parse()
        .map_err(|_| "expected a number such as 1.5".to_owned())?;
    ratio_milli(ratio).ok_or_else(|| "out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        mode: ModeArg,
    }

    #[test]
    fn exactly_one_mode_is_said() {
        let read = |words: &[&str]| {
            let line = std::iter::once("x").chain(words.iter().copied());
            Line::try_parse_from(line)
                .ok()
                .map(|line| DialMode::from(line.mode))
        };
        assert_eq!(read(&["--predictive"]), Some(DialMode::Predictive));
        assert_eq!(read(&["--progressive"]), Some(DialMode::Progressive));
        assert_eq!(read(&["--preview"]), Some(DialMode::Preview));
        assert_eq!(read(&["--manual"]), Some(DialMode::Manual));
        assert_eq!(
            read(&["--lines-per-agent", "1.2"]),
            Some(DialMode::LinesPerAgent { milli: 1_200 })
        );
        assert_eq!(
            read(&["--lines-per-free-agent", "7"]),
            Some(DialMode::LinesPerFreeAgent { milli: 7_000 })
        );
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["--manual", "--preview"]), None);
        assert_eq!(read(&["--lines-per-agent", "0.01"]), None);
    }
}
