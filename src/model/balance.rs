use crate::error::{Result, check_not_negative};
use burn::config::Config;

/// The policy of the authors' code that keeps decoder and critic in step.
///
/// It looks at what the critic pays on a batch, in nats per sample: for data, and for fakes. If one of the two
/// is below `equilibrium - margin`, the critic does not train in this step; if one is above
/// `equilibrium + margin`, the decoder does not. If neither would, both do. The encoder always trains.
///
/// As in that code, each of the two kinds of fakes then weighs a half, for the critic and for the decoder, so
/// that a critic that is right to be undecided pays ln 2 for data and for fakes. (In the paper, where each
/// weighs 1, it would pay ln 3 and ln 1.5.) It is made for [`NonSaturating`](crate::loss::NonSaturating) and
/// [`Minimax`](crate::loss::Minimax).
///
/// Every training step then makes the fakes once more to look at them, and reads three numbers back from the
/// device, which stalls a GPU. A decoder that sits out
/// still counts the statistics of its batch normalisation.
#[derive(Config, Debug)]
pub struct Balance {
    /// What the critic should pay for each kind, near ln 2.
    #[config(default = "0.68")]
    pub equilibrium: f64,
    /// How far from that is still in step.
    #[config(default = "0.4")]
    pub margin: f64,
}

impl Balance {
    /// Refuses numbers that cannot work.
    pub(super) fn check(&self) -> Result<()> {
        check_not_negative("VaeGan: balance.equilibrium", self.equilibrium)?;
        check_not_negative("VaeGan: balance.margin", self.margin).map(drop)
    }

    /// Whether decoder and critic train, given what the critic pays for data and for fakes.
    pub(super) fn admits(&self, costs: [f64; 2]) -> [bool; 2] {
        let [low, high] = [-self.margin, self.margin].map(|side| self.equilibrium + side);
        let decoder = costs.iter().all(|&cost| cost <= high);
        let critic = costs.iter().all(|&cost| cost >= low);
        if decoder || critic {
            [decoder, critic]
        } else {
            [true, true]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Balance;

    #[test]
    fn who_is_ahead_waits() {
        let balance = Balance::new();
        let undecided = 2f64.ln();
        //         [decoder, critic]
        for (costs, want) in [
            ([undecided, undecided], [true, true]),
            ([0.2, undecided], [true, false]), // the critic knows data
            ([undecided, 0.2], [true, false]), // or fakes
            ([1.2, undecided], [false, true]), // the critic is behind
            ([0.2, 1.2], [true, true]),        // neither would
        ] {
            assert_eq!(balance.admits(costs), want, "{costs:?}");
        }
    }
}
