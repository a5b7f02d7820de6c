//! Panels, rows and dashboards as Grafana reads them (dashboard JSON model, schema 39: Grafana 10.4 and later).
//!
//! Panels are laid out in the order in which they are given, in rows 24 wide; nobody counts positions by hand.

use super::query;
use crate::shell::metrics::names::GaugeName;
use serde_json::{Value, json};

/// How values look. Names are Grafana's own.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    /// 0..1, shown as per cent.
    Share,
    Bytes,
    BytesPerSecond,
    PerSecond,
    Number,
    /// Cores, agents: a number with fractions.
    Amount,
    /// Seconds since 1970, shown as how long ago.
    Ago,
}

impl Unit {
    const fn grafana(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Share => "percentunit",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "Bps",
            Unit::PerSecond => "cps",
            Unit::Number => "short",
            Unit::Amount => "none",
            Unit::Ago => "dateTimeFromNow",
        }
    }
}

/// The form of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines over time.
    Lines,
    /// Areas on top of one another.
    Stacked,
    /// One number with its history behind it.
    Figure,
    /// Yes or no: 1 or 0.
    Flag,
    /// How often which value occurred.
    Heat,
}

/// A panel.
pub(super) struct Panel {
    form: Form,
    title: &'static str,
    about: &'static str,
    unit: Unit,
    targets: Vec<(String, &'static str)>,
    /// From this value on, in this colour; drawn as lines.
    marks: Vec<(f64, &'static str)>,
    width: u32,
    /// 1 is good (a flag), or 0 is.
    good: bool,
}

/// A panel of this form. `about` says what is seen, and what is wrong when.
pub(super) fn panel(form: Form, title: &'static str, unit: Unit, about: &'static str) -> Panel {
    Panel {
        form,
        title,
        about,
        unit,
        targets: Vec::new(),
        marks: Vec::new(),
        width: match form {
            Form::Figure | Form::Flag => 4,
            Form::Lines | Form::Stacked | Form::Heat => 12,
        },
        good: true,
    }
}

impl Panel {
    /// A query and the name of what it gives.
    pub(super) fn show(mut self, expression: String, legend: &'static str) -> Self {
        self.targets.push((expression, legend));
        self
    }

    /// From here on it looks bad.
    pub(super) fn warn_from(mut self, value: f64) -> Self {
        self.marks.push((value, "orange"));
        self
    }

    /// From here on it is bad.
    pub(super) fn bad_from(mut self, value: f64) -> Self {
        self.marks.push((value, "red"));
        self
    }

    /// Of 24.
    pub(super) fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// A flag whose 1 is bad.
    pub(super) fn one_is_bad(mut self) -> Self {
        self.good = false;
        self
    }

    const fn height(&self) -> u32 {
        match self.form {
            Form::Figure | Form::Flag => 4,
            Form::Lines | Form::Stacked | Form::Heat => 8,
        }
    }

    fn json(&self, id: u32, x: u32, y: u32) -> Value {
        let targets: Vec<Value> = self
            .targets
            .iter()
            .zip('A'..='Z')
            .map(|((expression, legend), letter)| self.target(expression, legend, letter))
            .collect();
        let mut json = json!({
            "id": id,
            "type": match self.form {
                Form::Lines | Form::Stacked => "timeseries",
                Form::Figure | Form::Flag => "stat",
                Form::Heat => "heatmap",
            },
            "title": self.title,
            "description": self.about,
            "datasource": source(),
            "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height() },
            "targets": targets,
            "options": self.options(),
            "fieldConfig": { "defaults": self.defaults(), "overrides": [] },
        });
        if self.form == Form::Flag {
            let (no, yes) = if self.good {
                ("red", "green")
            } else {
                ("green", "red")
            };
            json["fieldConfig"]["defaults"]["mappings"] = json!([{
                "type": "value",
                "options": {
                    "0": { "text": "no", "color": no, "index": 0 },
                    "1": { "text": "yes", "color": yes, "index": 1 },
                },
            }]);
        }
        json
    }

    fn target(&self, expression: &str, legend: &str, letter: char) -> Value {
        json!({
            "refId": letter.to_string(),
            "datasource": source(),
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "range": true,
            "format": if self.form == Form::Heat { "heatmap" } else { "time_series" },
        })
    }

    fn options(&self) -> Value {
        match self.form {
            Form::Lines | Form::Stacked => json!({
                "legend": {
                    "displayMode": "table",
                    "placement": "bottom",
                    "showLegend": true,
                    "calcs": ["lastNotNull", "max"],
                },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Form::Figure | Form::Flag => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "orientation": "auto",
                "textMode": "auto",
                "colorMode": "value",
                "graphMode": if self.form == Form::Flag { "none" } else { "area" },
                "justifyMode": "auto",
            }),
            Form::Heat => json!({
                "calculate": false,
                "cellGap": 1,
                "color": { "mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5 },
                "filterValues": { "le": 1e-9 },
                "legend": { "show": true },
                "rowsFrame": { "layout": "auto" },
                "tooltip": { "mode": "single", "showColorScale": false, "yHistogram": false },
                "yAxis": { "axisPlacement": "left", "reverse": false, "unit": self.unit.grafana() },
            }),
        }
    }

    fn defaults(&self) -> Value {
        let mut steps = vec![json!({ "color": "green", "value": null })];
        steps.extend(
            self.marks
                .iter()
                .map(|(value, color)| json!({ "color": color, "value": value })),
        );
        let mut defaults = json!({
            "unit": self.unit.grafana(),
            "thresholds": { "mode": "absolute", "steps": steps },
        });
        let has_zero = !matches!(self.unit, Unit::Ago) && self.form != Form::Heat;
        if has_zero {
            defaults["min"] = json!(0);
        }
        match self.form {
            Form::Lines | Form::Stacked => {
                let is_stacked = self.form == Form::Stacked;
                defaults["color"] = json!({ "mode": "palette-classic" });
                defaults["custom"] = json!({
                    "drawStyle": "line",
                    "lineInterpolation": "linear",
                    "lineWidth": 1,
                    "fillOpacity": if is_stacked { 40 } else { 8 },
                    "showPoints": "never",
                    "spanNulls": false,
                    "stacking": { "mode": if is_stacked { "normal" } else { "none" }, "group": "A" },
                    "thresholdsStyle": { "mode": if self.marks.is_empty() { "off" } else { "line" } },
                });
            }
            Form::Figure | Form::Flag => defaults["color"] = json!({ "mode": "thresholds" }),
            Form::Heat => {}
        }
        defaults
    }
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// A dashboard: rows of panels.
pub(super) struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    /// A label to choose values of, and a metric that has it.
    pub(super) choose: Option<(&'static str, GaugeName)>,
    pub(super) rows: Vec<(&'static str, Vec<Panel>)>,
}

impl Dashboard {
    /// As it is checked in.
    pub(super) fn json(&self) -> Value {
        let mut panels = Vec::new();
        let (mut id, mut y) = (0, 0);
        for (title, row) in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 },
            }));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in row {
                if x + panel.width > 24 {
                    y += tallest;
                    (x, tallest) = (0, 0);
                }
                id += 1;
                panels.push(panel.json(id, x, y));
                x += panel.width;
                tallest = tallest.max(panel.height());
            }
            y += tallest;
        }
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["tandem"],
            "schemaVersion": 39,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "5s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "browser",
            "links": [{
                "title": "Tandem", "type": "dashboards", "tags": ["tandem"], "asDropdown": false,
                "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
                "tooltip": "", "url": "",
            }],
            "annotations": { "list": [restarts()] },
            "templating": { "list": self.variables() },
            "panels": panels,
        })
    }

    fn variables(&self) -> Vec<Value> {
        let mut list = vec![
            json!({
                "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                "refresh": 1, "regex": "", "hide": 0, "multi": false, "includeAll": false, "options": [],
                "current": {}, "skipUrlSync": false,
            }),
            variable("instance", "Engine", GaugeName::EngineBuild, ""),
        ];
        if let Some((label, metric)) = self.choose {
            let title = if label == "trunk" {
                "Trunk"
            } else {
                "Campaign"
            };
            list.push(variable(label, title, metric, "{instance=~\"$instance\"}"));
        }
        list
    }
}

/// A choice among the values of a label.
fn variable(label: &str, title: &str, metric: GaugeName, of: &str) -> Value {
    let values = format!("label_values({}{of}, {label})", metric.name());
    json!({
        "name": label, "label": title, "type": "query", "datasource": source(),
        "definition": values, "query": { "query": values, "refId": label },
        "refresh": 2, "sort": 1, "regex": "", "hide": 0, "multi": true, "includeAll": true, "allValue": ".+",
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] }, "options": [],
        "skipUrlSync": false,
    })
}

/// A mark where an engine started.
fn restarts() -> Value {
    json!({
        "name": "Starts of the engine", "datasource": source(), "enable": true, "hide": false,
        "iconColor": "blue", "expr": query::changes(GaugeName::ProcessStart), "step": "15s",
        "titleFormat": "Engine started", "tagKeys": "instance",
        "target": { "refId": "Anno", "expr": query::changes(GaugeName::ProcessStart) },
    })
}
