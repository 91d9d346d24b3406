/// A group of tools that is listed or not as a whole. A variant is a set whose tools exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolSet {
    Core,
    /// For whoever looks after what was stored.
    Admin,
}

impl ToolSet {
    /// Every set, in the order in which the tools are listed.
    pub const ALL: [Self; 2] = [Self::Core, Self::Admin];

    /// The name that settings know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Admin => "admin",
        }
    }

    /// Finds the set of a name, whatever its case; nothing if there is no such set.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_name() {
        for set in ToolSet::ALL {
            assert_eq!(ToolSet::parse(set.name()), Some(set));
        }
        assert_eq!(ToolSet::parse("CORE"), Some(ToolSet::Core));
        for odd in ["", "cor", "core,"] {
            assert_eq!(ToolSet::parse(odd), None, "{odd}");
        }
    }
}
