//! How a call sounds, estimated from the network's figures: the E-model (ITU-T G.107) for G.711, with G.113's figures for loss.
//!
//! An estimate of what listeners would say, not a measurement of the sound: terminals are taken as G.107 table 2 has them, except
//! that nobody near us can change them. Floating point: for records and graphs, never for a decision of the core.

/// Basic signal-to-noise ratio Ro at the defaults of G.107 table 2 (clause 7.2; the test below does the arithmetic).
const RO: f64 = 94.769;
/// Simultaneous impairments Is at the same defaults (clause 7.3).
const IS: f64 = 1.414;
/// Receiving loudness rating, dB (table 2).
const RLR: f64 = 2.0;
/// Noise of the circuit at the 0 dBr point, dBm0p, at the defaults (clause 7.2, No).
const NO: f64 = -61.179;
/// Talker echo loudness rating, dB (table 2).
const TELR: f64 = 65.0;
/// Weighted echo path loss, dB (table 2).
const WEPL: f64 = 110.0;
/// Burst ratios that the model was fitted for (table 2).
const BURST_MAX: f64 = 8.0;

/// What the receiving end does about a missing packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Concealment {
    /// G.711 Appendix I or alike, as browsers and telephones have it: Bpl 25.1 (G.113 table I.4).
    #[default]
    AppendixOne,
    /// Silence in the gap: Bpl 4.3 (G.113 table I.4).
    None,
}

/// What the network did to one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    /// From mouth to ear, in milliseconds: half the round trip, the packet's 20 ms, the listener's jitter buffer.
    pub one_way_ms: f64,
    /// Share of packets that did not come in time, 0..=1.
    pub loss_ratio: f64,
    /// Mean length of a run of lost packets over what chance would give, 1..=8 (G.107 clause 7.5); 1 where unknown.
    pub burst_ratio: f64,
    /// What the listener's end does about loss.
    pub concealment: Concealment,
}

/// The estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Transmission rating R, 0..=100. Above 80 most are satisfied, below 60 nearly all are not (G.107 table B.1).
    pub r: f64,
    /// Mean opinion score of conversation, estimated (MOS-CQE), 1..=4.5 (G.107 Annex B).
    pub mos: f64,
}

impl Quality {
    /// Hundredths of the mean opinion score, 100..=450: how records keep it.
    pub fn mos_hundredths(self) -> u16 {
        (self.mos * 100.0).round() as u16
    }
}

/// The estimate for G.711 (Ie = 0, G.113 table I.1).
pub fn estimate(network: &Network) -> Quality {
    let r = RO - IS - delay_impairment(network.one_way_ms) - loss_impairment(network);
    let r = r.clamp(0.0, 100.0);
    Quality { r, mos: mos(r) }
}

/// Mean opinion score of a rating (G.107 Annex B, equation B-4).
pub fn mos(r: f64) -> f64 {
    if r <= 0.0 {
        return 1.0;
    }
    if r >= 100.0 {
        return 4.5;
    }
    // The cubic dips below 1 for R under 6.5; no score is below 1.
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// Burst ratio of a stream that lost `lost` of `expected` packets in `runs` runs (G.107 clause 7.5); 1 without a loss.
pub fn burst_ratio(expected: u64, lost: u64, runs: u64) -> f64 {
    if lost == 0 || runs == 0 || expected <= lost {
        return 1.0;
    }
    let mean_run = lost as f64 / runs as f64;
    // By chance, a run of lost packets has 1 / (1 - loss) of them.
    let by_chance = 1.0 / (1.0 - lost as f64 / expected as f64);
    (mean_run / by_chance).clamp(1.0, BURST_MAX)
}

/// Id = Idte + Idle + Idd (clause 7.4), with Ta = T = Tr / 2: one packet network from mouth to ear.
fn delay_impairment(one_way_ms: f64) -> f64 {
    let t = one_way_ms.max(0.0);
    talker_echo(t) + listener_echo(2.0 * t) + absolute_delay(t)
}

/// Idte (equations 7-19 to 7-22; STMR is 15 dB, in the range without a correction).
fn talker_echo(t: f64) -> f64 {
    let terv =
        TELR - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10() + 6.0 * (-0.3 * t * t).exp();
    let roe = -1.5 * (NO - RLR);
    let re = 80.0 + 2.5 * (terv - 14.0);
    let difference = roe - re;
    (difference / 2.0 + (difference * difference / 4.0 + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp())
}

/// Idle (equations 7-25 and 7-26).
fn listener_echo(round_ms: f64) -> f64 {
    let rle = 10.5 * (WEPL + 7.0) * (round_ms + 1.0).powf(-0.25);
    let difference = RO - rle;
    difference / 2.0 + (difference * difference / 4.0 + 169.0).sqrt()
}

/// Idd (equation 7-27, with the default sensitivity of 1 and 100 ms as the shortest delay that is noticed).
fn absolute_delay(ta: f64) -> f64 {
    if ta <= 100.0 {
        return 0.0;
    }
    let x = (ta / 100.0).log2();
    let sixth_root = |value: f64| value.powf(1.0 / 6.0);
    25.0 * (sixth_root(1.0 + x.powi(6)) - 3.0 * sixth_root(1.0 + (x / 3.0).powi(6)) + 2.0)
}

/// Ie-eff (equation 7-29).
fn loss_impairment(network: &Network) -> f64 {
    let percent = network.loss_ratio.clamp(0.0, 1.0) * 100.0;
    let burst = network.burst_ratio.clamp(1.0, BURST_MAX);
    let robustness = match network.concealment {
        Concealment::AppendixOne => 25.1,
        Concealment::None => 4.3,
    };
    95.0 * percent / (percent / burst + robustness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_near(seen: f64, want: f64, by: f64) -> bool {
        (seen - want).abs() <= by
    }

    fn rating(one_way_ms: f64, loss_ratio: f64, concealment: Concealment) -> f64 {
        estimate(&Network {
            one_way_ms,
            loss_ratio,
            burst_ratio: 1.0,
            concealment,
        })
        .r
    }

    #[test]
    fn all_defaults_give_the_published_rating() {
        // G.107 clause 7.7: "the calculation with all parameters at their defaults results in R = 93.2".
        let best = estimate(&Network::default());
        assert!(is_near(best.r, 93.2, 0.05), "{}", best.r);
        assert!(is_near(best.mos, 4.41, 0.005), "{}", best.mos);
    }

    #[test]
    fn the_constants_are_the_model_at_its_defaults() {
        // Clauses 7.2 and 7.3 with table 2: SLR 8, RLR 2, STMR 15, Ds = Dr = 3, Nc -70, Nfor -64, Ps = Pr = 35, qdu 1.
        let power = |db: f64| 10_f64.powf(db / 10.0);
        let (slr, rlr, stmr, d) = (8.0, 2.0, 15.0, 3.0);
        let olr = slr + rlr;
        let (nc, nfor, room) = (-70.0, -64.0, 35.0_f64);
        let nos = room - slr - d - 100.0 + 0.004 * (room - olr - d - 14.0).powi(2);
        let pre = room + 10.0 * (1.0 + power(10.0 - (stmr + d))).log10();
        let nor = rlr - 121.0 + pre + 0.008 * (pre - 35.0).powi(2);
        let no = 10.0 * (power(nc) + power(nos) + power(nor) + power(nfor + rlr)).log10();
        assert!(is_near(no, NO, 0.001), "No {no}");
        let ro = 15.0 - 1.5 * (slr + no);
        assert!(is_near(ro, RO, 0.001), "Ro {ro}");

        let xolr = olr + 0.2 * (64.0 + no - rlr);
        let iolr = 20.0 * ((1.0 + (xolr / 8.0).powi(8)).powf(0.125) - xolr / 8.0);
        let side = -10.0 * (power(-stmr) + power(-TELR)).log10();
        let ist = 12.0 * (1.0 + ((side - 13.0) / 6.0).powi(8)).powf(0.125)
            - 28.0 * (1.0 + ((side + 1.0) / 19.4).powi(35)).powf(1.0 / 35.0)
            - 13.0 * (1.0 + ((side - 3.0) / 33.0).powi(13)).powf(1.0 / 13.0)
            + 29.0;
        let q = 37.0;
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        let iq = 15.0 * (1.0 + 10_f64.powf(y) + 10_f64.powf(z)).log10();
        let is = iolr + ist + iq;
        assert!(is_near(is, IS, 0.001), "Is {is}");
    }

    #[test]
    fn ratings_become_the_scores_of_table_b1() {
        for (r, score) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
            (0.0, 1.0),
            (100.0, 4.5),
        ] {
            assert!(is_near(mos(r), score, 0.007), "{r}: {}", mos(r));
        }
    }

    #[test]
    fn loss_costs_what_g113_publishes() {
        // G.113 Appendix I, G.711 with packet loss concealment, random loss: Ie is 5 at 1 %, 7 at 2 %, 10 at 3 %, 15 at 5 %.
        // Without it: 25 at 1 %, 35 at 2 %, 45 at 3 %, 55 at 5 %. Measured values; equation 7-29 is their fit.
        let none = rating(0.0, 0.0, Concealment::None);
        for (percent, with, without) in [
            (1.0, 5.0, 25.0),
            (2.0, 7.0, 35.0),
            (3.0, 10.0, 45.0),
            (5.0, 15.0, 55.0),
        ] {
            let costs = |kind| none - rating(0.0, percent / 100.0, kind);
            let seen = (costs(Concealment::AppendixOne), costs(Concealment::None));
            assert!(is_near(seen.0, with, 2.0), "{percent} %: {seen:?}");
            assert!(is_near(seen.1, without, 8.0), "{percent} %: {seen:?}");
        }
    }

    #[test]
    fn delay_costs_what_its_published_approximation_says() {
        // Cole and Rosenbluth 2001, from the same model: Id = 0.024 d + 0.11 (d - 177.3) above 177.3 ms.
        for ms in [20.0, 60.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0] {
            let want = 0.024 * ms + 0.11 * f64::max(ms - 177.3, 0.0);
            let seen = rating(0.0, 0.0, Concealment::None) - rating(ms, 0.0, Concealment::None);
            assert!(is_near(seen, want, 2.5), "{ms} ms: {seen}, want {want}");
        }
        // Equation 7-27 by hand at 200 ms, X = 1: 25 (2^(1/6) - 3 (1 + 3^-6)^(1/6) + 2).
        assert!(is_near(absolute_delay(200.0), 3.044, 0.001));
    }

    #[test]
    fn the_same_loss_in_bursts_is_worse() {
        // 10 of 100 packets: one by one, or in two runs of five.
        assert!(is_near(burst_ratio(100, 10, 10), 1.0, 1e-9));
        assert!(is_near(burst_ratio(100, 10, 2), 4.5, 1e-9));
        assert!(is_near(burst_ratio(100, 0, 0), 1.0, 1e-9));
        assert!(is_near(burst_ratio(10, 10, 1), 1.0, 1e-9));
        let at = |burst_ratio| {
            estimate(&Network {
                one_way_ms: 60.0,
                loss_ratio: 0.1,
                burst_ratio,
                concealment: Concealment::AppendixOne,
            })
            .mos
        };
        assert!(at(4.5) < at(1.0) - 0.1, "{} {}", at(4.5), at(1.0));
    }

    proptest! {
        #[test]
        fn worse_networks_never_score_better(ms in 0.0..2_000.0_f64, loss in 0.0..1.0_f64, burst in 0.0..20.0_f64) {
            let at = |one_way_ms, loss_ratio| estimate(&Network { one_way_ms, loss_ratio, burst_ratio: burst, concealment: Concealment::None });
            let here = at(ms, loss);
            prop_assert!((1.0..=4.5).contains(&here.mos) && (0.0..=100.0).contains(&here.r));
            prop_assert!(at(ms + 10.0, loss).r <= here.r + 0.3);
            prop_assert!(at(ms, (loss + 0.01).min(1.0)).r <= here.r + 1e-9);
        }
    }
}
