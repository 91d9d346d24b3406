use crate::model::ToolSet;

/// Which sets `tools/list` shows. Tools of every set can be called by name all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSets(Vec<ToolSet>);

impl ToolSets {
    #[must_use]
    pub fn new(shown: &[ToolSet]) -> Self {
        Self(shown.to_vec())
    }

    #[must_use]
    pub fn core() -> Self {
        Self::new(&[ToolSet::Core])
    }

    /// In the order in which they were named.
    pub(super) fn in_order(&self) -> &[ToolSet] {
        &self.0
    }

    pub(super) fn shows(&self, set: ToolSet) -> bool {
        self.0.contains(&set)
    }
}
