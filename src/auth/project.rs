use ring::digest::{SHA256, digest};

use crate::model::{Project, UserId};

/// The longest path that Linux takes.
const MAX_DIR_BYTES: usize = 4096;

/// Leaves room for `project_`, the digest, and some more within a project name's 128.
const MAX_BASE_CHARS: usize = 64;

/// How the project of a call is found, and whose memories it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProjectRule {
    /// Only arguments name a project.
    #[default]
    Manual,
    /// The client's working directory names it, in the header `X-Project-Dir`.
    Auto,
    /// Whoever calls, it is about the memories of this one user.
    Global { user: UserId },
}

/// A header that names no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("X-Project-Dir is not a path of at most {MAX_DIR_BYTES} bytes in UTF-8")]
pub struct InvalidProjectDir;

impl ProjectRule {
    /// Whose memories a caller means, who would otherwise mean its own.
    #[must_use]
    pub fn user(&self, own: UserId) -> UserId {
        match self {
            Self::Manual | Self::Auto => own,
            Self::Global { user } => user.clone(),
        }
    }

    /// The project that a directory stands for, in the mode that looks at directories.
    pub fn project(&self, dir: Option<&[u8]>) -> Result<Option<Project>, InvalidProjectDir> {
        match (self, dir) {
            (Self::Auto, Some(dir)) => of_dir(dir),
            _ => Ok(None),
        }
    }
}

fn of_dir(dir: &[u8]) -> Result<Option<Project>, InvalidProjectDir> {
    let dir = std::str::from_utf8(dir).map_err(|_| InvalidProjectDir)?.trim();
    if dir.len() > MAX_DIR_BYTES || dir.chars().any(char::is_control) {
        return Err(InvalidProjectDir);
    }
    if dir.is_empty() {
        return Ok(None);
    }
    // `/app` and `/app/` are one directory.
    let separators = ['/', '\\'];
    let path = dir.trim_end_matches(separators);
    let base = path.rsplit(separators).next().unwrap_or_default();
    let name = format!("project_{}_{}", sanitized(base), short_digest(path));
    Project::parse(&name).map(Some).map_err(|_| InvalidProjectDir)
}

fn sanitized(base: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let base: String =
        base.chars().take(MAX_BASE_CHARS).map(|c| if keep(c) { c } else { '_' }).collect();
    if base.is_empty() { "root".to_owned() } else { base }
}

/// Tells apart two directories with the same base name: 8 hexadecimal digits.
fn short_digest(path: &str) -> String {
    let digest = digest(&SHA256, path.as_bytes());
    digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(dir: &str) -> Option<String> {
        ProjectRule::Auto.project(Some(dir.as_bytes())).unwrap().map(|name| name.to_string())
    }

    #[test]
    fn a_directory_becomes_a_project() {
        // printf %s /projects/app1 | sha256sum
        assert_eq!(auto("/projects/app1").as_deref(), Some("project_app1_6fca7960"));
        assert_eq!(auto("/projects/app1/"), auto("/projects/app1"));
        assert_ne!(auto("/other/app1"), auto("/projects/app1"));
        assert!(auto("C:\\Users\\ada\\my app").unwrap().starts_with("project_my_app_"));
        assert!(auto("/").unwrap().starts_with("project_root_"));
        assert!(
            auto(&format!("/{}", "\u{e9}".repeat(1000))).unwrap().starts_with("project_\u{e9}")
        );
        assert_eq!(auto(" "), None);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for odd in [&b"/a\0b"[..], b"/a\nb", b"\xff\xfe", &[b'a'; 5000]] {
            assert_eq!(ProjectRule::Auto.project(Some(odd)), Err(InvalidProjectDir));
        }
    }

    #[test]
    fn other_modes_do_not_look_at_directories() {
        let own = UserId::parse("ada").unwrap();
        let shared = UserId::parse("shared").unwrap();
        let global = ProjectRule::Global { user: shared.clone() };

        assert_eq!(ProjectRule::Manual.project(Some(b"/projects/app1")), Ok(None));
        assert_eq!(global.project(Some(b"\xff")), Ok(None));
        assert_eq!(ProjectRule::Manual.user(own.clone()), own);
        assert_eq!(global.user(own), shared);
    }
}
