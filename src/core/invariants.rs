//! Truths of the whole floor. A broken one is our own mistake, and named.

use crate::core::Map;
use crate::core::agents::Place;
use crate::core::calls::Phase;
use crate::core::floor::Floor;
use crate::ids::AgentId;
use std::time::Duration;

/// Checks everything; the first truth that does not hold is the error.
pub(crate) fn check(floor: &Floor) -> Result<(), String> {
    let view = floor.view();
    view.agents.check()?;
    let mut holders: Map<AgentId, u32> = Map::default();
    for agent in view.agents.iter() {
        match agent.place {
            Place::Reserved(id) | Place::Talking(id) => {
                let Some(attempt) = view.attempts.get(&id) else {
                    return Err(format!(
                        "agent {} is {:?} on an attempt that is over",
                        agent.id, agent.place
                    ));
                };
                let fits = attempt.phase.agent() == Some(agent.id)
                    || (attempt.made_for == Some(agent.id)
                        && matches!(agent.place, Place::Reserved(_))
                        && attempt.phase.is_in_air());
                if !fits {
                    return Err(format!(
                        "agent {} is {:?}, attempt {id} is {:?}",
                        agent.id, agent.place, attempt.phase
                    ));
                }
            }
            Place::Previewing { attempt, until } => {
                let shown = view.previews.get(attempt);
                if shown.is_none_or(|preview| preview.agent != agent.id) {
                    return Err(format!(
                        "agent {} looks at preview {attempt}, which is not his",
                        agent.id
                    ));
                }
                if until + Duration::from_secs(1) < view.latest {
                    return Err(format!("preview {attempt} outlived its deadline"));
                }
            }
            Place::Wrap { attempt, .. } => {
                if !agent.outcome_kept && !view.unspoken.contains(&attempt) {
                    return Err(format!(
                        "agent {} waits in wrap-up for a disposition that nobody misses",
                        agent.id
                    ));
                }
            }
            Place::Offline | Place::Break(_) | Place::Ready | Place::Manual => {}
        }
    }
    for preview in view.previews.all(|_| true) {
        let id = preview.attempt;
        let place = view.agents.get(preview.agent).map(|agent| agent.place);
        if !matches!(place, Some(Place::Previewing { attempt, .. }) if attempt == id) {
            return Err(format!(
                "preview {id} is with agent {}, who is {place:?}",
                preview.agent
            ));
        }
        if !view.rules.holds(preview.person, preview.number, id) {
            return Err(format!("preview {id} does not hold its person and number"));
        }
        if !view.leads.is_out(preview.lead) || view.attempts.contains_key(&id) {
            return Err(format!(
                "the lead of preview {id} is not out, or dialled already"
            ));
        }
    }
    let mut trunk_use = vec![0u32; view.trunks.len()];
    let mut stream_air = vec![0u32; view.streams.len()];
    let mut stream_talking = vec![0u32; view.streams.len()];
    let mut in_air = vec![0u32; view.loads.len()];
    let mut talking = vec![0u32; view.loads.len()];
    let mut waiting = 0;
    for attempt in view.attempts.values() {
        if attempt.phase.until() + Duration::from_secs(1) < view.latest {
            return Err(format!(
                "attempt {} outlived its deadline in {:?}",
                attempt.id, attempt.phase
            ));
        }
        if !view.rules.holds(attempt.person, attempt.number, attempt.id) {
            return Err(format!(
                "attempt {} does not hold its person and number",
                attempt.id
            ));
        }
        if !view.leads.is_out(attempt.lead) {
            return Err(format!(
                "the lead of attempt {} is not marked as out",
                attempt.id
            ));
        }
        if let Some(agent) = attempt.phase.agent() {
            let calls = holders.entry(agent).or_default();
            *calls += 1;
            if *calls > 1 {
                return Err(format!("agent {agent} has two calls"));
            }
            let place = view.agents.get(agent).map(|agent| agent.place);
            let fits = match attempt.phase {
                Phase::Joining { .. } => place == Some(Place::Reserved(attempt.id)),
                _ => place == Some(Place::Talking(attempt.id)),
            };
            if !fits {
                return Err(format!(
                    "attempt {} is {:?}, its agent is {place:?}",
                    attempt.id, attempt.phase
                ));
            }
        }
        let campaign = usize::from(attempt.campaign.0);
        in_air[campaign] += u32::from(attempt.phase.is_in_air());
        talking[campaign] += u32::from(attempt.phase.is_talking());
        if attempt.phase.is_in_air() && !attempt.is_apart() {
            stream_air[attempt.stream.0] += 1;
        }
        stream_talking[attempt.stream.0] += u32::from(attempt.phase.is_talking());
        waiting += usize::from(attempt.phase.waits_since().is_some());
        if matches!(attempt.phase, Phase::Announcing { .. }) && !attempt.is_counted {
            return Err(format!(
                "attempt {} hears the message and is in no ledger",
                attempt.id
            ));
        }
        trunk_use[usize::from(attempt.trunk.0)] += 1;
    }
    let same = |what: &str, counted: &[u32], kept: &[u32]| {
        if counted == kept {
            Ok(())
        } else {
            Err(format!("{what}: kept {kept:?}, counted {counted:?}"))
        }
    };
    same("legs per trunk", &trunk_use, &view.trunks)?;
    let (air, talks): (Vec<u32>, Vec<u32>) = view.streams.iter().copied().unzip();
    same("lines in the air per stream", &stream_air, &air)?;
    same("conversations per stream", &stream_talking, &talks)?;
    same(
        "lines in the air per campaign",
        &in_air,
        &view.loads.iter().map(|load| load.0).collect::<Vec<_>>(),
    )?;
    same(
        "conversations per campaign",
        &talking,
        &view.loads.iter().map(|load| load.1).collect::<Vec<_>>(),
    )?;
    if waiting != view.waiting {
        return Err(format!(
            "{} people in the wait, {waiting} attempts that wait",
            view.waiting
        ));
    }
    let alive = view.attempts.len() + view.previews.len();
    if view.rules.in_air() != (alive, alive) || view.leads.out() != alive {
        return Err(format!(
            "{alive} attempts and previews alive, {:?} persons and numbers held, {} leads out",
            view.rules.in_air(),
            view.leads.out()
        ));
    }
    Ok(())
}
