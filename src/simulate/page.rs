//! The report as one HTML page that needs nothing from anywhere else: what each way to dial comes to, and how the shift went.

use super::chart::{Axes, COLOURS, Line, Point, Rule, escaped, step};
use super::table::{number, percent};
use super::{Asked, CellResult};
use crate::sim::shift::score::{Minute, WINDOW_MIN, rolling};
use std::fmt::Write;

/// Minutes that are one point of a line.
const SLICE_MIN: usize = 5;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fbfaf8;--text:#22262a;--soft:#6b7278;--line:#e2e0db;--card:#fff;--cap:#c0392b}\
@media(prefers-color-scheme:dark){:root{--back:#14171a;--text:#e6e8ea;--soft:#98a0a8;--line:#2b3036;--card:#1b1f23;--cap:#ff7b6b}}\
body{margin:0 auto;max-width:1240px;padding:2.2rem 1.4rem 4rem;background:var(--back);color:var(--text);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem}h3{font-size:.9rem;margin:0 0 .3rem;font-weight:600}\
p{margin:.2rem 0;max-width:52rem}.soft,figcaption{color:var(--soft)}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:.5rem 0 1rem}\
th{font-weight:600;color:var(--soft);font-size:.82rem}th,td{text-align:right;padding:.32rem .7rem;border-bottom:1px solid var(--line)}\
th:first-child,td:first-child{text-align:left}td{white-space:nowrap}.plane{max-width:46rem}.wide{overflow-x:auto}td.over{color:var(--cap);font-weight:600}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:1rem}\
figure{margin:0;box-sizing:border-box;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem .9rem .5rem}\
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}\
.grid{stroke:var(--line);stroke-width:1}.line{fill:none;stroke-width:2;stroke-linejoin:round}\
.cap{stroke:var(--cap);stroke-dasharray:5 4;stroke-width:1.3}text.cap{fill:var(--cap);stroke:none}\
.key{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin:0 .4em 0 0;vertical-align:0}\
.keys span.one{margin-right:1.2em;white-space:nowrap}";

/// The page.
pub fn page(asked: &Asked) -> String {
    let scenario = &asked.scenario;
    let mut html = String::new();
    let title = escaped(&scenario.title);
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1><p>{}</p>",
        escaped(&scenario.about)
    );
    let seeds = asked.results.first().map_or(0, |result| result.seeds.len());
    let _ = write!(
        html,
        "<p class=\"soft\">Simulated people and carrier, the shipped floor. {:.1} h from {:02}:{:02}, {} shifts over {seeds} seeds, \
         {:.0} agent-hours in {:.1} s. ± is the 95 % interval of the mean.</p>",
        scenario.length.as_secs_f64() / 3_600.0,
        scenario.start_min / 60,
        scenario.start_min % 60,
        asked
            .results
            .iter()
            .map(|one| one.scores.len())
            .sum::<usize>(),
        asked.agent_hours,
        asked.took.as_secs_f64(),
    );
    let mut places: Vec<String> = asked.results.iter().map(|one| one.cell.place()).collect();
    places.dedup();
    let mut ways: Vec<String> = Vec::new();
    for result in &asked.results {
        if !ways.contains(&result.cell.way()) {
            ways.push(result.cell.way());
        }
    }
    // With one way to dial, colours tell places apart in the plane.
    let names = if ways.len() > 1 { &ways } else { &places };
    html += "<h2>Busy agents against abandoned people</h2>";
    keys(&mut html, names);
    html += "<div class=\"plane\">";
    plane(&mut html, asked, names, ways.len() > 1);
    html += "</div>";
    for place in &places {
        let here: Vec<&CellResult> = asked
            .results
            .iter()
            .filter(|result| result.cell.place() == *place)
            .collect();
        let _ = write!(html, "<h2>{}</h2>", escaped(place));
        comparison(&mut html, &here);
        keys(&mut html, &ways);
        html += "<div class=\"charts\">";
        over_time(&mut html, asked, &here, &ways);
        html += "</div>";
    }
    html += "</body></html>\n";
    html
}

fn keys(html: &mut String, names: &[String]) {
    html.push_str("<p class=\"keys\">");
    for (number, name) in names.iter().enumerate() {
        let _ = write!(
            html,
            "<span class=\"one\"><span class=\"key\" style=\"background:{}\"></span>{}</span>",
            COLOURS[number % COLOURS.len()],
            escaped(name)
        );
    }
    html.push_str("</p>");
}

fn figure(html: &mut String, title: &str, svg: &str, caption: &str) {
    let _ = write!(
        html,
        "<figure><h3>{}</h3>{svg}<figcaption>{}</figcaption></figure>",
        escaped(title),
        escaped(caption)
    );
}

/// Utilisation over abandonment: every shift a small point, every mean a large one.
fn plane(html: &mut String, asked: &Asked, names: &[String], by_way: bool) {
    let mut points = Vec::new();
    let mut caps: Vec<f64> = Vec::new();
    for result in &asked.results {
        let name = if by_way {
            result.cell.way()
        } else {
            result.cell.place()
        };
        let colour = names.iter().position(|known| *known == name).unwrap_or(0);
        let cap = result.cell.cap * 100.0;
        if !caps.contains(&cap) {
            caps.push(cap);
        }
        for (seed, score) in result.seeds.iter().zip(&result.scores) {
            points.push(Point {
                label: format!(
                    "{}, {}, seed {seed}",
                    result.cell.place(),
                    result.cell.way()
                ),
                colour,
                x: score.abandonment() * 100.0,
                y: score.utilisation() * 100.0,
                is_mean: false,
            });
        }
        points.push(Point {
            label: format!(
                "{}, {}: {} % busy, {} % abandoned",
                result.cell.place(),
                result.cell.way(),
                percent(result.odds.utilisation, 1),
                percent(result.odds.abandonment, 2)
            ),
            colour,
            x: result.odds.abandonment.mean * 100.0,
            y: result.odds.utilisation.mean * 100.0,
            is_mean: true,
        });
    }
    let most = points.iter().map(|point| point.x).fold(0.0, f64::max);
    let most = caps.iter().copied().fold(most, f64::max).max(1.0) * 1.08;
    let least = points.iter().map(|point| point.y).fold(100.0, f64::min);
    let axes = Axes {
        x: (0.0, most),
        y: ((least / 10.0).floor() * 10.0, 100.0),
        x_word: |x| format!("{x:.1} %"),
        x_step: step(most, 6.0),
        unit: " %",
    };
    let rules: Vec<Rule> = caps
        .iter()
        .map(|cap| Rule {
            at: *cap,
            label: format!("cap {cap:.1} %"),
        })
        .collect();
    let svg = axes.plane("utilisation over abandonment", &points, &rules);
    let caption = "Up: agents' time at work in conversations and wrap-up. Right: people for whom nobody was there in time.";
    figure(html, "Utilisation over abandonment", &svg, caption);
}

fn comparison(html: &mut String, here: &[&CellResult]) {
    let has_an_end = here.iter().any(|result| result.has_an_end());
    *html += "<div class=\"wide\"><table><tr><th></th><th>utilisation %</th><th>abandoned %</th><th>worst seed</th><th>worst hour</th>\
              <th>shifts above hard cap</th><th>agent wait s</th><th>p90</th><th>dials per connect</th><th>connects per agent-hour</th>";
    if has_an_end {
        *html += "<th>lists finished</th><th>after h</th>";
    }
    *html += "</tr>";
    for result in here {
        let odds = &result.odds;
        let over = |figure: f64| {
            if figure > result.cell.cap {
                " class=\"over\""
            } else {
                ""
            }
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td{}>{}</td><td{}>{:.2}</td><td{}>{:.2}</td><td>{:.0} %</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            escaped(&result.cell.way()),
            percent(odds.utilisation, 1),
            over(odds.abandonment.mean),
            percent(odds.abandonment, 2),
            over(odds.abandonment_worst),
            odds.abandonment_worst * 100.0,
            over(odds.worst_hour),
            odds.worst_hour * 100.0,
            odds.above_cap * 100.0,
            number(odds.agent_wait_s, 1),
            number(odds.agent_wait_p90_s, 1),
            number(odds.dials_per_connect, 2),
            number(odds.connects_per_agent_hour, 1),
        );
        if has_an_end {
            let after = if odds.finished > 0.0 {
                number(odds.finished_h, 2)
            } else {
                "-".to_owned()
            };
            let _ = write!(
                html,
                "<td>{:.0} %</td><td>{after}</td>",
                odds.finished * 100.0
            );
        }
        *html += "</tr>";
    }
    *html += "</table></div>";
}

/// The mean over seeds, in slices of a few minutes.
fn slices(result: &CellResult) -> Vec<(f64, Minute)> {
    let length = result.scores.first().map_or(0, |score| score.minutes.len());
    (0..length)
        .step_by(SLICE_MIN)
        .map(|from| {
            let mut sum = Minute::default();
            let to = (from + SLICE_MIN).min(length);
            for score in &result.scores {
                for minute in &score.minutes[from..to] {
                    sum.add(minute);
                }
            }
            ((from + to) as f64 / 2.0, sum)
        })
        .collect()
}

fn over_time(html: &mut String, asked: &Asked, here: &[&CellResult], ways: &[String]) {
    let minutes = asked.scenario.length.as_secs_f64() / 60.0;
    let start = f64::from(asked.scenario.start_min);
    let hour: fn(f64) -> String = |minute| format!("{:.0}:00", (minute / 60.0).rem_euclid(24.0));
    let axes = |y: (f64, f64), unit| Axes {
        x: (start, start + minutes),
        y,
        x_word: hour,
        x_step: if minutes <= 720.0 { 60.0 } else { 120.0 },
        unit,
    };
    let line = |result: &CellResult, points: Vec<(f64, Option<f64>)>| Line {
        label: result.cell.way(),
        colour: ways
            .iter()
            .position(|way| *way == result.cell.way())
            .unwrap_or(0),
        points,
    };
    let of_slices = |figure: &dyn Fn(&CellResult, &Minute) -> Option<f64>| -> Vec<Line> {
        here.iter()
            .map(|result| {
                let points = slices(result)
                    .iter()
                    .map(|(at, minute)| (start + at, figure(result, minute)))
                    .collect();
                line(result, points)
            })
            .collect()
    };
    let highest = |lines: &[Line]| {
        lines
            .iter()
            .flat_map(|line| line.points.iter().filter_map(|(_, y)| *y))
            .fold(0.0, f64::max)
    };

    let lines = of_slices(&|_, minute| minute.utilisation().map(|share| share * 100.0));
    let svg = axes((0.0, 100.0), " %").lines("utilisation", &lines, &[]);
    figure(
        html,
        "Utilisation",
        &svg,
        "Talk and wrap-up of the time at work, in slices of five minutes.",
    );

    let window = WINDOW_MIN.min(minutes as usize).max(1) as f64;
    let lines: Vec<Line> = here
        .iter()
        .map(|result| {
            // Over all seeds together: the same as a much larger floor would show.
            let length = result.scores.first().map_or(0, |score| score.minutes.len());
            let sum: Vec<(u32, u32)> = (0..length)
                .map(|number| {
                    let minutes = result.scores.iter().map(|score| &score.minutes[number]);
                    minutes.fold((0, 0), |sum, one| {
                        (sum.0 + one.connected, sum.1 + one.abandoned)
                    })
                })
                .collect();
            let points = rolling(&sum)
                .into_iter()
                .enumerate()
                .map(|(number, share)| (start + window + number as f64, Some(share * 100.0)))
                .collect();
            line(result, points)
        })
        .collect();
    let mut rules: Vec<Rule> = Vec::new();
    for result in here {
        let at = result.cell.cap * 100.0;
        if !rules.iter().any(|rule| rule.at == at) {
            let label = format!("cap {at:.1} %");
            rules.push(Rule { at, label });
        }
    }
    let most = rules
        .iter()
        .map(|rule| rule.at)
        .fold(highest(&lines), f64::max);
    let svg = axes((0.0, (most * 1.25).max(1.0)), " %").lines("abandonment", &lines, &rules);
    figure(
        html,
        "Abandonment, rolling hour",
        &svg,
        "Nobody there in time, of all who answered in the hour before.",
    );

    let each = |result: &CellResult| (result.scores.len() * SLICE_MIN) as f64;
    let lines = of_slices(&|result, minute| Some(f64::from(minute.dials) / each(result)));
    let svg = axes((0.0, highest(&lines).max(1.0) * 1.1), "").lines("dials", &lines, &[]);
    figure(html, "Dials per minute", &svg, "INVITEs that left.");

    let lines = of_slices(&|_, minute| {
        (minute.connected > 0).then(|| f64::from(minute.dials) / f64::from(minute.connected))
    });
    let svg =
        axes((0.0, highest(&lines).max(1.0) * 1.1), "").lines("dials per connect", &lines, &[]);
    figure(
        html,
        "Dials per connect",
        &svg,
        "INVITEs for each person who spoke to an agent.",
    );

    for result in here {
        let seconds = each(result) * 60.0;
        let area = |label: &str, colour, figure: fn(&Minute) -> f64| Line {
            label: label.to_owned(),
            colour,
            points: slices(result)
                .iter()
                .map(|(at, minute)| (start + at, Some(figure(minute) / seconds)))
                .collect(),
        };
        let areas = [
            area("talking", 2, |minute| minute.talk_s),
            area("wrap-up", 4, |minute| minute.wrap_s),
            area("waiting for a call", 1, |minute| minute.idle_s),
            area("on break", 7, |minute| minute.away_s),
        ];
        let agents = f64::from(result.cell.agents).max(1.0);
        let svg = axes((0.0, agents), "").stack("what agents do", &areas);
        let title = format!("What agents do: {}", result.cell.way());
        let caption = "From below: talking (green), wrap-up (light blue), waiting for a call (amber), on break (grey).";
        figure(html, &title, &svg, caption);
    }
}
