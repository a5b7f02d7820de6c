//! Calls to us between SIP, store and floor: what is asked about a caller, and what is kept of one until the floor has decided.
//!
//! SIP names the call and rings; the hopper finds out who it is, off the floor's thread; the floor decides. Nothing here decides.

use crate::config::{InForce, UnknownCaller};
use crate::core::settings::CampaignState;
use crate::ids::{CallInId, CampaignId, TrunkId};
use crate::pii::Pii;
use crate::shell::store::{CallIdentity, LeadRecord};
use crate::time::Mono;
use crate::wire::sip::endpoint::OurNumber;
use dashmap::DashMap;
use std::fmt;
use std::sync::Arc;

/// Hands a caller to whoever knows people; `false`: no room, and the call is turned away.
pub type LookUp = Arc<dyn Fn(Caller) -> bool + Send + Sync>;
/// Turns a call away that nobody may have.
pub type TurnAway = Arc<dyn Fn(CallInId) + Send + Sync>;

/// What SIP and the hopper must know to take calls. Swapped whole by a reload, for the next call.
#[derive(Clone)]
pub struct CallsIn {
    /// Our numbers, with the campaign of each.
    pub numbers: Vec<(OurNumber, CampaignId)>,
    /// What a caller gets whom nobody knows.
    pub unknown: UnknownCaller,
    /// The country of numbers without one, ISO 3166.
    pub country: String,
    /// Where people are who are on no list, IANA.
    pub zone: String,
    /// Who knows people.
    pub look_up: LookUp,
    /// How a call ends that nobody may have.
    pub turn_away: TurnAway,
}

impl fmt::Debug for CallsIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallsIn")
            .field("numbers", &self.numbers.len())
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}

impl CallsIn {
    /// What a configuration says. A campaign that is closed has no numbers any more.
    pub fn of(in_force: &InForce, look_up: LookUp, turn_away: TurnAway) -> CallsIn {
        let tables = in_force.tables();
        let mut numbers = Vec::new();
        for (place, campaign) in tables.campaigns.iter().enumerate() {
            if campaign.settings.state == CampaignState::Closed {
                continue;
            }
            for number in &campaign.inbound_numbers {
                let ours = OurNumber {
                    number: number.clone(),
                    trunks: campaign.settings.trunks.clone(),
                };
                numbers.push((ours, CampaignId(place as u16)));
            }
        }
        CallsIn {
            numbers,
            unknown: tables.inbound.unknown_caller,
            country: tables.default_country.clone(),
            zone: tables.default_zone.clone(),
            look_up,
            turn_away,
        }
    }

    /// Whose number was called.
    pub fn campaign(&self, called: &str) -> Option<CampaignId> {
        let mut all = self.numbers.iter();
        all.find(|(ours, _)| ours.number == called)
            .map(|(_, campaign)| *campaign)
    }
}

/// Somebody who calls us.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The SIP side's name of the call.
    pub call: CallInId,
    /// Over which trunk.
    pub trunk: TrunkId,
    /// When it arrived.
    pub at: Mono,
    /// Whose number was called.
    pub campaign: CampaignId,
    /// The caller's number as the carrier wrote it; `None`: withheld.
    pub number: Option<Pii<String>>,
    /// What the wire knows the call by.
    pub identity: CallIdentity,
    /// The rules of that moment.
    pub rules: Arc<CallsIn>,
}

/// What is kept of a caller until the floor has decided.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The caller's lead.
    pub lead: Arc<LeadRecord>,
    /// What the wire knows the call by.
    pub identity: CallIdentity,
}

/// Callers whom the floor was told of. Filled by the hopper, emptied by the router; bounded by the calls that ring.
pub type ArrivalBook = Arc<DashMap<CallInId, Arrived>>;
