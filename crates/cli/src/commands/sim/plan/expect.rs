//! What the runs of a plan let one expect.

use super::advice::Warning;
use super::scenarios::{Kind, Scenario};
use crate::args::PlanArgs;
use rumormill_sim::Report;
use serde::Serialize;

/// What to expect of the whole cluster. Times are null where nothing was measured.
#[derive(Debug, Default, Serialize)]
pub struct Expect {
    pub delivery_ms: Delivery,
    /// The same with 1 % and 5 % of datagrams lost on top.
    pub delivery_ms_loss_1: Delivery,
    pub delivery_ms_loss_5: Delivery,
    pub delivery_ms_tenth_crashed: Delivery,
    pub delivery_ms_slow_node: Delivery,
    pub bytes_per_node_per_second: Load,
    pub messages_per_node_per_second: Load,
    pub copies_per_node: f64,
    pub amplification: Option<f64>,
    /// From a crash until all live nodes hold the crashed one dead.
    pub detection_ms: Option<f64>,
    /// From the end of a partition until all nodes agree.
    pub heal_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Delivery {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub last: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Load {
    pub idle: Option<f64>,
    pub loaded: Option<f64>,
}

/// Everything that a plan says.
pub struct Plan<'a> {
    pub args: &'a PlanArgs,
    pub simulated: usize,
    /// What delivery times of the simulated cluster are multiplied by.
    pub scale: f64,
    pub done: Vec<(&'a Scenario, Report)>,
    pub expect: Expect,
    pub warnings: Vec<Warning>,
}

pub fn expect(done: &[(&Scenario, Report)], scale: f64) -> Expect {
    let of = |kind: Kind| {
        let found = done.iter().find(|(scenario, _)| scenario.kind == kind);
        found.map(|(_, report)| report)
    };
    let delivery = |kind: Kind| {
        let figures = of(kind).map(|report| report.delivery_ms).unwrap_or_default();
        let scaled = |time: Option<f64>| time.map(|ms| ms * scale);
        Delivery { p50: scaled(figures.p50), p99: scaled(figures.p99), last: scaled(figures.max) }
    };
    let load = |figure: fn(&Report) -> f64| Load {
        idle: of(Kind::Idle).map(figure),
        loaded: of(Kind::AsIs).map(figure),
    };
    let as_is = of(Kind::AsIs);
    Expect {
        delivery_ms: delivery(Kind::AsIs),
        delivery_ms_loss_1: delivery(Kind::LossOne),
        delivery_ms_loss_5: delivery(Kind::LossFive),
        delivery_ms_tenth_crashed: delivery(Kind::Crashed),
        delivery_ms_slow_node: delivery(Kind::SlowNode),
        bytes_per_node_per_second: load(|report| report.bytes.per_node_per_second),
        messages_per_node_per_second: load(|report| report.messages_per_node_per_second),
        copies_per_node: as_is.map_or(0.0, |report| report.copies_per_node),
        amplification: as_is.and_then(|report| report.amplification),
        detection_ms: of(Kind::Crashed).and_then(|report| report.detection_ms.all),
        heal_ms: of(Kind::Divided).and_then(|report| report.settle_ms),
    }
}
