use std::path::Path;

/// How each kind of client is told to trust the authority in a folder, as text for a terminal.
#[must_use]
pub fn trust_instructions(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let ca = absolute.join("ca.pem").display().to_string();
    let quoted = quote(&ca);
    format!(
        r#"How a client is told to trust {ca}
(copy that file to other machines; ca-key.pem stays here)

curl
    curl --cacert {quoted} https://localhost:3000/health

Claude Code and every other client on Node.js (the variable must be set before the client starts)
    export NODE_EXTRA_CA_CERTS={quoted}

VS Code and Cursor
    Add it to the system store as below. Extensions on Node.js also want NODE_EXTRA_CA_CERTS,
    set in the environment that the editor is started from. Then restart the editor.

Python (these replace the list of public authorities for that program)
    export SSL_CERT_FILE={quoted}          # ssl, httpx, the MCP SDK
    export REQUESTS_CA_BUNDLE={quoted}     # requests

Debian, Ubuntu, Raspberry Pi OS
    sudo cp {quoted} /usr/local/share/ca-certificates/memoryd.crt
    sudo update-ca-certificates

Fedora, RHEL
    sudo cp {quoted} /etc/pki/ca-trust/source/anchors/memoryd.pem
    sudo update-ca-trust

macOS
    sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {quoted}

Windows (as administrator)
    certutil -addstore -f Root ca.pem

Firefox keeps its own list: Settings, Privacy & Security, View Certificates, Authorities, Import.
"#
    )
}

/// Quotes a path for a POSIX shell where it needs it.
fn quote(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_told_the_whole_path() {
        let told = trust_instructions(Path::new("/srv/it's mine/certs"));

        for line in [
            r"--cacert '/srv/it'\''s mine/certs/ca.pem' ",
            r"NODE_EXTRA_CA_CERTS='/srv/it'\''s mine/certs/ca.pem'",
            "SSL_CERT_FILE=",
            "REQUESTS_CA_BUNDLE=",
            "update-ca-certificates",
            "add-trusted-cert",
            "certutil",
            "VS Code",
        ] {
            assert!(told.contains(line), "{line} is missing in:\n{told}");
        }
        assert!(told.is_ascii());
    }
}
