//! A dialog (RFC 3261 s.12): who talks with whom, which way requests take as text, and the order of requests.

use super::draft::Draft;
use super::message::{Method, Response};
use super::uri::{NameAddr, Uri};

/// What every request of ours says about ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ourselves {
    /// Transport in Via ("UDP", "TCP").
    pub transport: &'static str,
    /// sent-by of Via: our address and port.
    pub sent_by: String,
    /// User-Agent.
    pub user_agent: String,
}

impl Ourselves {
    /// Begins a request with our Via, and Max-Forwards.
    pub fn begin(&self, method: &Method, uri: &str, branch: &str) -> Draft {
        let Ourselves {
            transport, sent_by, ..
        } = self;
        Draft::request(method, uri)
            .header_of(
                "Via",
                &[
                    "SIP/2.0/", transport, " ", sent_by, ";branch=", branch, ";rport",
                ],
            )
            .header("Max-Forwards", "70")
    }

    /// Our Contact: with `user` in front where a number belongs there.
    pub fn contact(&self, user: Option<&str>) -> String {
        let Ourselves {
            transport, sent_by, ..
        } = self;
        let (user, at) = user.map_or(("", ""), |user| (user, "@"));
        let parameter = if *transport == "TCP" {
            ";transport=tcp"
        } else {
            ""
        };
        ["<sip:", user, at, sent_by, parameter, ">"].concat()
    }
}

/// The far side of a dialog: what must survive a crash to end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarSide {
    /// Its tag; empty if it sent none (RFC 2543).
    pub remote_tag: String,
    /// Its Contact URI.
    pub remote_target: String,
    /// Route set, in the order of sending.
    pub route_set: Vec<String>,
    /// Our last CSeq number in the dialog.
    pub local_cseq: u32,
}

impl FarSide {
    /// The far side of a 2xx to our INVITE (s.12.1.2). Without a usable Contact, requests go on to the INVITE's own URI.
    pub fn of_answer(answer: &Response, invite_uri: &str) -> FarSide {
        let remote_target = answer
            .contacts
            .first()
            .filter(|contact| contact.uri.is_sip())
            .map_or_else(
                || invite_uri.to_owned(),
                |contact| contact.uri.as_request_uri().to_owned(),
            );
        FarSide {
            remote_tag: answer.envelope.to.tag().unwrap_or_default().to_owned(),
            remote_target,
            route_set: answer
                .record_route
                .iter()
                .rev()
                .map(|entry| entry.text.clone())
                .collect(),
            local_cseq: answer.envelope.cseq.number,
        }
    }
}

/// A dialog that we began.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// From value without its tag.
    pub from: String,
    /// Our tag.
    pub local_tag: String,
    /// To value without its tag.
    pub to: String,
    /// The far side.
    pub far: FarSide,
    /// The far end's last CSeq number.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// Begins a request within the dialog with this branch and number: Request-URI and Route by s.12.2.1.1. The caller
    /// adds what the method needs. Where it is sent is not decided here: always to the trunk.
    pub fn begin(&self, ourselves: &Ourselves, method: &Method, branch: &str, cseq: u32) -> Draft {
        let (uri, routes) = self.way();
        let mut draft = ourselves.begin(method, &uri, branch);
        for route in &routes {
            draft = draft.header("Route", route);
        }
        let draft = draft.header_with_tag("From", &self.from, &self.local_tag);
        let draft = if self.far.remote_tag.is_empty() {
            draft.header("To", &self.to)
        } else {
            draft.header_with_tag("To", &self.to, &self.far.remote_tag)
        };
        draft.header("Call-ID", &self.call_id).cseq(cseq, method)
    }

    /// Request-URI of requests in the dialog (needed for digests).
    pub fn request_uri(&self) -> String {
        self.way().0
    }

    fn way(&self) -> (String, Vec<String>) {
        let target = &self.far.remote_target;
        let first = self
            .far
            .route_set
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        match first {
            // A strict router (RFC 2543) reads the Request-URI as its own and the last Route as the target.
            Some(first) if !is_loose(&first.uri) => {
                let mut routes: Vec<String> = self.far.route_set.iter().skip(1).cloned().collect();
                routes.push(format!("<{target}>"));
                (first.uri.as_request_uri().to_owned(), routes)
            }
            _ => (target.clone(), self.far.route_set.clone()),
        }
    }

    /// Takes the number of a request of the far end's up; `false`: it is older than one before (s.12.2.2).
    pub fn takes_cseq(&mut self, number: u32) -> bool {
        let is_in_order = self.remote_cseq.is_none_or(|last| number > last);
        if is_in_order {
            self.remote_cseq = Some(number);
        }
        is_in_order
    }
}

fn is_loose(uri: &Uri) -> bool {
    uri.sip().is_some_and(|sip| sip.parameter("lr").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(routes: &[&str]) -> Dialog {
        Dialog {
            call_id: "c".to_owned(),
            from: "<sip:1@us>".to_owned(),
            local_tag: "l".to_owned(),
            to: "<sip:2@them>".to_owned(),
            far: FarSide {
                remote_tag: "r".to_owned(),
                remote_target: "sip:2@192.0.2.7".to_owned(),
                route_set: routes.iter().map(|route| (*route).to_owned()).collect(),
                local_cseq: 1,
            },
            remote_cseq: None,
        }
    }

    #[test]
    fn loose_and_strict_routes_are_written_as_they_want() {
        let loose = dialog(&["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(
            loose.way(),
            (
                "sip:2@192.0.2.7".to_owned(),
                vec!["<sip:p1;lr>".to_owned(), "<sip:p2;lr>".to_owned()]
            )
        );
        let strict = dialog(&["<sip:p1>", "<sip:p2;lr>"]);
        assert_eq!(
            strict.way(),
            (
                "sip:p1".to_owned(),
                vec!["<sip:p2;lr>".to_owned(), "<sip:2@192.0.2.7>".to_owned()]
            )
        );
    }

    #[test]
    fn an_older_request_is_out_of_order() {
        let mut dialog = dialog(&[]);
        assert!(dialog.takes_cseq(5) && dialog.takes_cseq(6));
        assert!(!dialog.takes_cseq(6) && !dialog.takes_cseq(2));
    }
}
