//! Where clients keep their files.

use std::path::PathBuf;

/// Whose habits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    Linux,
    MacOs,
    Windows,
}

/// A machine as far as places are concerned: its system, and the variables that name folders.
pub struct Machine<'a> {
    pub platform: Platform,
    /// The value of a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Platform {
    /// The one that this program was built for.
    #[must_use]
    pub fn of_build() -> Self {
        if cfg!(target_os = "macos") {
            Self::MacOs
        } else if cfg!(windows) {
            Self::Windows
        } else {
            Self::Linux
        }
    }
}

impl Machine<'_> {
    /// The folder of the person.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let of_windows =
            || self.named("USERPROFILE").filter(|_| self.platform == Platform::Windows);
        of_windows().or_else(|| self.named("HOME"))
    }

    /// Where programs of free desktops keep settings, on whatever system.
    pub(super) fn settings(&self) -> Option<PathBuf> {
        // The specification has relative ones passed over.
        let said = self.named("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        said.or_else(|| Some(self.home()?.join(".config")))
    }

    /// Where programs with windows keep settings.
    pub(super) fn application_settings(&self) -> Option<PathBuf> {
        match self.platform {
            Platform::Linux => self.settings(),
            Platform::MacOs => Some(self.home()?.join("Library/Application Support")),
            Platform::Windows => {
                self.named("APPDATA").or_else(|| Some(self.home()?.join("AppData").join("Roaming")))
            }
        }
    }

    /// The folder that a variable names.
    pub(super) fn named(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KNOWN, find};
    use super::*;

    fn place(platform: Platform, set: &[(&str, &str)], client: &str) -> PathBuf {
        let variable = |name: &str| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let places = find(client).unwrap().places(&Machine { platform, variable: &variable });
        places.first().cloned().unwrap_or_default()
    }

    #[test]
    fn files_lie_where_each_system_has_them() {
        let linux = |client| place(Platform::Linux, &[("HOME", "/home/me")], client);
        let mac = |client| place(Platform::MacOs, &[("HOME", "/Users/me")], client);
        let windows = |client| {
            place(Platform::Windows, &[("USERPROFILE", "C:/Users/me"), ("APPDATA", "C:/A")], client)
        };
        for (found, expected) in [
            (linux("claude-code"), "/home/me/.claude.json"),
            (linux("claude-desktop"), "/home/me/.config/Claude/claude_desktop_config.json"),
            (linux("cursor"), "/home/me/.cursor/mcp.json"),
            (linux("vscode"), "/home/me/.config/Code/User/mcp.json"),
            (linux("codex"), "/home/me/.codex/config.toml"),
            (linux("gemini"), "/home/me/.gemini/settings.json"),
            (linux("windsurf"), "/home/me/.codeium/windsurf/mcp_config.json"),
            (linux("zed"), "/home/me/.config/zed/settings.json"),
            (linux("opencode"), "/home/me/.config/opencode/opencode.json"),
            (
                mac("claude-desktop"),
                "/Users/me/Library/Application Support/Claude/claude_desktop_config.json",
            ),
            (mac("vscode"), "/Users/me/Library/Application Support/Code/User/mcp.json"),
            (mac("zed"), "/Users/me/.config/zed/settings.json"),
            (windows("claude-desktop"), "C:/A/Claude/claude_desktop_config.json"),
            (windows("vscode"), "C:/A/Code/User/mcp.json"),
            (windows("zed"), "C:/A/Zed/settings.json"),
            (windows("cursor"), "C:/Users/me/.cursor/mcp.json"),
            (windows("opencode"), "C:/Users/me/.config/opencode/opencode.json"),
        ] {
            assert_eq!(found, PathBuf::from(expected));
        }
    }

    #[test]
    fn what_a_variable_says_counts() {
        let home = ("HOME", "/home/me");
        for (variable, client, expected) in [
            (("XDG_CONFIG_HOME", "/c"), "zed", "/c/zed/settings.json"),
            (("XDG_CONFIG_HOME", "relative"), "zed", "/home/me/.config/zed/settings.json"),
            (("CLAUDE_CONFIG_DIR", "/c"), "claude-code", "/c/.claude.json"),
            (("CODEX_HOME", "/c"), "codex", "/c/config.toml"),
            (("GEMINI_CLI_HOME", "/c"), "gemini", "/c/.gemini/settings.json"),
            (("CODEX_HOME", ""), "codex", "/home/me/.codex/config.toml"),
        ] {
            let found = place(Platform::Linux, &[home, variable], client);

            assert_eq!(found, PathBuf::from(expected), "{variable:?}");
        }
    }

    #[test]
    fn nobody_has_a_file_where_there_is_no_home() {
        for client in &KNOWN {
            assert_eq!(place(Platform::Linux, &[], client.id), PathBuf::new(), "{}", client.id);
        }
    }
}
