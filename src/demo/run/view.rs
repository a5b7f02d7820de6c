//! What the demo shows while it runs: a live terminal view, or one plain line every few seconds. Draws, decides nothing.

use super::summary::{LATENCIES, millis};
use crate::demo::agents::AgentLogin;
use crate::demo::agents::figures::AgentFigures;
use crate::demo::carrier::records::Totals;
use crate::shell::api::{CampaignView, PictureView};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How to join as an agent.
#[derive(Clone, Debug)]
pub struct Join {
    /// The agents' page.
    pub page: String,
    /// The seat for it. Its token is shown on purpose: it is good for this run on this machine.
    pub guest: AgentLogin,
    /// The agents' websocket.
    pub url: String,
    /// A seat without audio, for a client of one's own. Its token is shown for the same reason.
    pub client: AgentLogin,
    /// The engine's HTTP.
    pub http: String,
    /// The engine's configuration, for the other commands.
    pub config: PathBuf,
}

impl Join {
    /// What a person does, line by line.
    fn lines(&self) -> [String; 5] {
        let client = &self.client;
        [
            format!(
                "Open {} in a browser and talk with the borrowers:",
                self.page
            ),
            format!(
                "  name {}   token {}",
                self.guest.name,
                self.guest.token.expose()
            ),
            "  allow the microphone (or choose the test tone), pass the echo check, press Ready."
                .to_owned(),
            format!(
                "Without audio: node docs/examples/agent.mjs {} {} {}",
                self.url,
                client.name,
                client.token.expose()
            ),
            format!(
                "Figures {}/metrics   commands: --config {}",
                self.http,
                self.config.display()
            ),
        ]
    }
}

/// Everything on the screen.
#[derive(Clone, Debug)]
pub struct LiveView {
    /// Since dialling began.
    pub elapsed: Duration,
    /// Scripted agents that should be there.
    pub agents_wanted: u32,
    /// What the end is at, once it began.
    pub ending: Option<String>,
    /// The engine's last picture.
    pub picture: Option<PictureView>,
    /// The carrier's last totals.
    pub carrier: Totals,
    /// What the agents saw.
    pub agents: AgentFigures,
    /// Recent events, oldest first.
    pub events: Vec<String>,
    /// How to join.
    pub join: Join,
}

/// The terminal, or plain output.
pub enum Screen {
    /// The live view.
    Live(Box<ratatui::DefaultTerminal>),
    /// Lines.
    Plain {
        /// When the next line is due.
        next: Instant,
        /// Time between two.
        every: Duration,
        /// Whether the end was announced.
        ending_said: bool,
    },
}

impl Screen {
    /// Opens the view; prints how to join where lines are plain.
    pub fn open(plain: bool, join: &Join, every: Duration) -> std::io::Result<Self> {
        if !plain {
            return ratatui::try_init().map(|terminal| Screen::Live(Box::new(terminal)));
        }
        for line in join.lines() {
            println!("{line}");
        }
        println!("Ctrl-C ends the demo and prints the summary.");
        Ok(Screen::Plain {
            next: Instant::now(),
            every,
            ending_said: false,
        })
    }

    /// Shows the present state.
    pub fn show(&mut self, view: &LiveView) -> std::io::Result<()> {
        match self {
            Screen::Live(terminal) => {
                terminal.draw(|frame| draw(frame, view))?;
            }
            Screen::Plain {
                next,
                every,
                ending_said,
            } => {
                if let Some(ending) = view.ending.as_ref().filter(|_| !*ending_said) {
                    *ending_said = true;
                    println!("{ending}");
                }
                if Instant::now() >= *next {
                    *next = Instant::now() + *every;
                    println!("{}", plain_line(view));
                }
            }
        }
        Ok(())
    }

    /// Waits a little. Returns whether somebody asked for the end on the keyboard.
    pub fn wait(&mut self, time: Duration) -> std::io::Result<bool> {
        if matches!(self, Screen::Plain { .. }) {
            std::thread::sleep(time);
            return Ok(false);
        }
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                return Ok(false);
            }
            // In the view the terminal sends no signal: Ctrl-C is a key.
            if let Event::Key(key) = event::read()? {
                let ctrl_c =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if key.kind == KeyEventKind::Press && (ctrl_c || key.code == KeyCode::Char('q')) {
                    return Ok(true);
                }
            }
        }
    }

    /// Gives the terminal back.
    pub fn close(self) {
        if let Screen::Live(_) = self {
            ratatui::restore();
        }
    }
}

/// One line that says it all.
pub fn plain_line(view: &LiveView) -> String {
    let seconds = view.elapsed.as_secs();
    let clock = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let Some(picture) = &view.picture else {
        return format!("{clock}  waiting for the engine");
    };
    let sums = Sums::of(picture);
    let agent = |state: &str| picture.agents.get(state).copied().unwrap_or(0);
    let latency = |name: &str| {
        picture
            .latencies
            .get(name)
            .map_or("-".to_owned(), |latency| millis(latency.p99_us))
    };
    format!(
        "{clock}  agents: {} ready {} talking {} wrap {} break | ringing {} | attempts {} connected {} abandoned {} ({}) | \
         outcomes {} | p99 answer->match {} push->paint {}",
        agent("ready"),
        agent("talking") + agent("reserved"),
        agent("wrap"),
        agent("break"),
        sums.ringing,
        sums.launched,
        sums.result("CONNECTED"),
        sums.result("ABANDONED"),
        percent(
            sums.result("ABANDONED"),
            sums.result("ABANDONED") + sums.result("CONNECTED")
        ),
        sums.outcomes,
        latency("answer_to_match"),
        latency("push_to_paint"),
    )
}

/// Sums over all campaigns.
struct Sums<'a> {
    campaigns: &'a [CampaignView],
    in_air: u32,
    ringing: u32,
    waiting: u32,
    talking: u32,
    launched: u64,
    outcomes: u64,
}

impl<'a> Sums<'a> {
    fn of(picture: &'a PictureView) -> Self {
        let campaigns = &picture.campaigns;
        Sums {
            campaigns,
            in_air: campaigns.iter().map(|campaign| campaign.in_air).sum(),
            ringing: campaigns.iter().map(|campaign| campaign.ringing).sum(),
            waiting: campaigns.iter().map(|campaign| campaign.waiting).sum(),
            talking: campaigns.iter().map(|campaign| campaign.talking).sum(),
            launched: campaigns.iter().map(|campaign| campaign.launched).sum(),
            outcomes: campaigns.iter().map(|campaign| campaign.outcomes).sum(),
        }
    }

    fn result(&self, code: &str) -> u64 {
        self.campaigns
            .iter()
            .filter_map(|campaign| campaign.results.get(code))
            .sum()
    }

    fn results(&self) -> Vec<(&'a str, u64)> {
        let mut codes: Vec<&str> = self
            .campaigns
            .iter()
            .flat_map(|campaign| campaign.results.keys().map(String::as_str))
            .collect();
        codes.sort_unstable();
        codes.dedup();
        let mut counts: Vec<_> = codes
            .into_iter()
            .map(|code| (code, self.result(code)))
            .filter(|(_, count)| *count > 0)
            .collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", part as f64 / whole as f64 * 100.0)
}

/// Draws the view.
pub fn draw(frame: &mut Frame<'_>, view: &LiveView) {
    let [head, top, middle, events, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Min(3),
        Constraint::Length(10),
    ])
    .areas(frame.area());
    draw_head(frame, head, view);
    let Some(picture) = &view.picture else {
        frame.render_widget(Paragraph::new("waiting for the engine"), top);
        return;
    };
    let sums = Sums::of(picture);
    let [agents, calls, results] = Layout::horizontal([
        Constraint::Percentage(34),
        Constraint::Percentage(30),
        Constraint::Percentage(36),
    ])
    .areas(top);
    draw_agents(frame, agents, view, picture);
    draw_calls(frame, calls, view, picture, &sums);
    draw_results(frame, results, &sums);
    let [latencies, desk] =
        Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(middle);
    draw_latencies(frame, latencies, view, picture);
    draw_desk(frame, desk, view);
    let room = usize::from(events.height.saturating_sub(2));
    let lines: Vec<Line> = view.events[view.events.len().saturating_sub(room)..]
        .iter()
        .map(|event| Line::raw(event.as_str()))
        .collect();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" Just now ")),
        events,
    );
    draw_join(frame, foot, &view.join);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &LiveView) {
    let seconds = view.elapsed.as_secs();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut first = vec![
        Span::styled("Tandem demo", bold),
        Span::raw(format!(
            "  {:02}:{:02}:{:02}  ",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )),
    ];
    match &view.ending {
        Some(ending) => first.push(Span::styled(
            ending.as_str(),
            Style::new().fg(Color::Yellow),
        )),
        None => first.push(Span::raw("q or Ctrl-C: finish the calls, then the summary")),
    }
    let second = Line::raw(
        "Simulated phone network and people; real engine, SIP, RTP, websockets. Calling rules relaxed for the demo.",
    );
    frame.render_widget(
        Paragraph::new(vec![
            Line::from(first),
            second.style(Style::new().fg(Color::DarkGray)),
        ]),
        area,
    );
}

fn draw_agents(frame: &mut Frame<'_>, area: Rect, view: &LiveView, picture: &PictureView) {
    let width = usize::from(area.width.saturating_sub(20));
    let most = view.agents_wanted.max(1) as usize;
    let rows = [
        ("ready", Color::Green),
        ("reserved", Color::Cyan),
        ("talking", Color::Blue),
        ("wrap", Color::Yellow),
        ("break", Color::DarkGray),
        ("manual", Color::DarkGray),
    ]
    .map(|(state, colour)| {
        let count = picture.agents.get(state).copied().unwrap_or(0);
        let bar = "█".repeat((count as usize * width).div_ceil(most).min(width));
        Line::from(vec![
            Span::raw(format!(" {state:<9}{count:>5}  ")),
            Span::styled(bar, Style::new().fg(colour)),
        ])
    });
    frame.render_widget(
        Paragraph::new(rows.to_vec()).block(Block::bordered().title(" Agents ")),
        area,
    );
}

fn draw_calls(
    frame: &mut Frame<'_>,
    area: Rect,
    view: &LiveView,
    picture: &PictureView,
    sums: &Sums<'_>,
) {
    let answered = sums.result("CONNECTED")
        + sums.result("ABANDONED")
        + sums.result("CUST_HANGUP_EARLY")
        + sums.result("MACHINE");
    let ended: u64 = sums.results().iter().map(|(_, count)| count).sum();
    let people = sums.result("CONNECTED") + sums.result("ABANDONED");
    let trunk = match picture.trunks.iter().all(|trunk| trunk.up) {
        true => Span::styled("up", Style::new().fg(Color::Green)),
        false => Span::styled("DOWN", Style::new().fg(Color::Red)),
    };
    let row = |name: &str, value: String| Line::raw(format!(" {name:<22}{value:>9}"));
    let lines = vec![
        row("in the air", sums.in_air.to_string()),
        row("  of which ringing", sums.ringing.to_string()),
        row("waiting for an agent", sums.waiting.to_string()),
        row("talking", sums.talking.to_string()),
        row("answered", percent(answered, ended)),
        row("abandoned", percent(sums.result("ABANDONED"), people)),
        Line::from(vec![
            Span::raw(format!(" trunk ({} legs there)   ", view.carrier.up)),
            trunk,
        ]),
    ];
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" Calls ")),
        area,
    );
}

fn draw_results(frame: &mut Frame<'_>, area: Rect, sums: &Sums<'_>) {
    let ended: u64 = sums.results().iter().map(|(_, count)| count).sum();
    let room = usize::from(area.height.saturating_sub(2));
    let lines: Vec<Line> = sums
        .results()
        .into_iter()
        .take(room)
        .map(|(code, count)| {
            Line::raw(format!(
                " {code:<18}{count:>8}  {:>7}",
                percent(count, ended)
            ))
        })
        .collect();
    let title = format!(" {} attempts, {ended} ended ", sums.launched);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(title)),
        area,
    );
}

fn draw_latencies(frame: &mut Frame<'_>, area: Rect, view: &LiveView, picture: &PictureView) {
    let mut rows: Vec<Row> = LATENCIES
        .iter()
        .map(|name| {
            let latency = picture.latencies.get(*name).copied().unwrap_or_default();
            Row::new([
                (*name).to_owned(),
                millis(latency.p50_us),
                millis(latency.p99_us),
                millis(latency.max_us),
                latency.count.to_string(),
            ])
        })
        .collect();
    let seen = view.agents.answer_to_card;
    rows.push(Row::new([
        "answer to card, as agents see it".to_owned(),
        millis(seen.p50_us),
        millis(seen.p99_us),
        millis(seen.max_us),
        seen.count.to_string(),
    ]));
    let widths = [
        Constraint::Min(20),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(7),
    ];
    let table = Table::new(rows, widths)
        .header(
            Row::new(["", "p50", "p99", "max", "of"])
                .style(Style::new().add_modifier(Modifier::BOLD)),
        )
        .block(Block::bordered().title(" Latencies "));
    frame.render_widget(table, area);
}

fn draw_desk(frame: &mut Frame<'_>, area: Rect, view: &LiveView) {
    let agents = &view.agents;
    let errors: u64 = agents.errors.values().sum();
    let lines = vec![
        Line::raw(format!(
            " calls {}  outcomes saved {}",
            agents.calls, agents.outcomes_saved
        )),
        Line::raw(format!(
            " saved in p50 {} p99 {}",
            millis(agents.outcome_to_saved.p50_us),
            millis(agents.outcome_to_saved.p99_us)
        )),
        Line::raw(format!(
            " cards asked for {}  p99 {}",
            agents.cards_asked,
            millis(agents.expand_to_card.p99_us)
        )),
        Line::raw(format!(
            " breaks {}  resumes {}",
            agents.breaks, agents.resumes
        )),
        Line::raw(format!(
            " refusals {errors}  broken cards {}",
            agents.cards_invalid
        )),
    ];
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" The agents' own count ")),
        area,
    );
}

fn draw_join(frame: &mut Frame<'_>, area: Rect, join: &Join) {
    let lines: Vec<Line> = join.lines().map(Line::raw).into();
    // Long lines go on below: a token that is cut off is of no use.
    let text = Paragraph::new(lines).wrap(ratatui::widgets::Wrap { trim: true });
    frame.render_widget(
        text.block(Block::bordered().title(" Join as an agent ")),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::Pii;
    use crate::shell::api::{LanesView, ModeView, TrunkView};
    use crate::shell::metrics::Latency;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::collections::BTreeMap;

    fn view() -> LiveView {
        let counts = |pairs: &[(&str, u64)]| {
            pairs
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect::<BTreeMap<_, _>>()
        };
        LiveView {
            elapsed: Duration::from_secs(3_725),
            agents_wanted: 20,
            ending: None,
            picture: Some(PictureView {
                at_unix_ms: 0,
                agents: [
                    ("ready".to_owned(), 4),
                    ("talking".to_owned(), 11),
                    ("wrap".to_owned(), 5),
                ]
                .into(),
                campaigns: vec![CampaignView {
                    name: "DEMO".to_owned(),
                    state: "running".to_owned(),
                    mode: ModeView::default(),
                    agents_serving: 20,
                    previews: 0,
                    in_air: 9,
                    ringing: 7,
                    waiting: 1,
                    talking: 11,
                    launched: 1_200,
                    results: counts(&[("CONNECTED", 290), ("ABANDONED", 10), ("NO_ANSWER", 700)]),
                    abandon_ratio: None,
                    ledger: Default::default(),
                    outcomes: 280,
                    hot_leads: 0,
                    held: BTreeMap::new(),
                }],
                trunks: vec![TrunkView {
                    name: "simulated".to_owned(),
                    up: true,
                    closed: false,
                    breaker_open: false,
                    in_use: 20,
                }],
                stopped: false,
                store_ready: true,
                attempts_alive: 20,
                wrap_overruns: 0,
                invariant_faults: 0,
                lanes: LanesView {
                    urgent: 0,
                    bulk: 0,
                    store: 0,
                },
                latencies: [(
                    "answer_to_match".to_owned(),
                    Latency {
                        count: 290,
                        p50_us: 31,
                        p95_us: 60,
                        p99_us: 1_850,
                        max_us: 2_000,
                    },
                )]
                .into(),
            }),
            carrier: Totals::default(),
            agents: AgentFigures::default(),
            events: (0..40).map(|n| format!("event {n}")).collect(),
            join: Join {
                page: "http://127.0.0.1:7400/desk/".to_owned(),
                guest: AgentLogin {
                    name: "guest".to_owned(),
                    token: Pii::new("t0ken".to_owned()),
                },
                url: "ws://127.0.0.1:7410/agent".to_owned(),
                client: AgentLogin {
                    name: "client".to_owned(),
                    token: Pii::new("t1ken".to_owned()),
                },
                http: "http://127.0.0.1:7400".to_owned(),
                config: PathBuf::from("demo.toml"),
            },
        }
    }

    fn drawn(width: u16, height: u16, view: &LiveView) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        (0..height)
            .map(|y| {
                (0..width)
                    .map(|x| buffer[(x, y)].symbol().to_owned())
                    .collect::<String>()
                    + "\n"
            })
            .collect()
    }

    #[test]
    fn the_view_shows_states_rates_latencies_and_how_to_join() {
        let text = drawn(130, 40, &view());
        for expected in [
            "01:02:05",
            "talking     11",
            "30.0 %", // answered: 300 of 1,000
            "3.3 %",  // abandoned: 10 of 300
            "CONNECTED",
            "1.85 ms",
            "event 39",
            "ws://127.0.0.1:7410/agent",
            "t0ken",
            "http://127.0.0.1:7400/desk/",
            "Simulated phone network",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }

    #[test]
    fn a_small_terminal_or_a_missing_engine_does_no_harm() {
        for (width, height) in [(80, 24), (20, 5), (1, 1)] {
            drawn(width, height, &view());
        }
        let missing = LiveView {
            picture: None,
            ..view()
        };
        assert!(drawn(80, 24, &missing).contains("waiting for the engine"));
        assert!(plain_line(&missing).contains("waiting"));
    }

    #[test]
    fn the_plain_line_carries_the_same_figures() {
        let line = plain_line(&view());
        for expected in [
            "4 ready",
            "11 talking",
            "attempts 1200",
            "abandoned 10 (3.3 %)",
            "1.85 ms",
        ] {
            assert!(line.contains(expected), "no {expected:?} in {line}");
        }
    }
}
