//! All that one node knows of the members, as another can take it over.

use super::Table;
use crate::data::Map;

/// All that a node knows of the members. A clone costs nothing.
#[derive(Clone, Debug)]
pub struct Roster {
    pub(crate) map: Map,
    pub(crate) table: Table,
}

impl Roster {
    /// What a node knows that holds this.
    #[must_use]
    pub fn new(map: &Map, table: &Table) -> Self {
        Self { map: map.clone(), table: table.clone() }
    }
}
