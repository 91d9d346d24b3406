use std::path::Path;

use crate::disk;

/// How each kind of client is told to trust the authority in a folder, as text for a terminal.
#[must_use]
pub fn trust_instructions(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let ca = absolute.join("ca.pem");
    let quoted = disk::quoted(&ca);
    let ca = ca.display().to_string();
    let json = serde_json::Value::from(ca.as_str()).to_string();
    format!(
        r#"How a client is told to trust {ca}
(copy that file to other machines; ca-key.pem stays here)

Claude Code, in the shell that starts it or for good in ~/.claude/settings.json
    export NODE_EXTRA_CA_CERTS={quoted}
    {{ "env": {{ "NODE_EXTRA_CA_CERTS": {json} }} }}

Other clients on Node.js or Bun (before the client starts)
    export NODE_EXTRA_CA_CERTS={quoted}

Claude Desktop starts a program; "memoryd stdio" on this machine needs no certificate. On another
machine it is "memoryd stdio --url https://NAME:3000 --ca FILE --key YOUR_KEY", or mcp-remote, in
claude_desktop_config.json
    {{ "mcpServers": {{ "memory": {{
        "command": "npx",
        "args": ["-y", "mcp-remote", "https://NAME:3000/mcp", "--header", "Authorization:Bearer YOUR_KEY"],
        "env": {{ "NODE_EXTRA_CA_CERTS": {json} }} }} }} }}

VS Code and Cursor
    Add it to the system's store as below, set NODE_EXTRA_CA_CERTS where the editor is started, and
    start the editor anew: versions differ in which of the two they read. One that still says "fetch
    failed" can start the program of Claude Desktop.

Python (these replace the public authorities for that program)
    export SSL_CERT_FILE={quoted}          # ssl, httpx, the MCP SDK
    export REQUESTS_CA_BUNDLE={quoted}     # requests

curl
    curl --cacert {quoted} https://localhost:3000/health

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

Browsers read the system's store on macOS and Windows. On Linux, Chrome and Chromium keep a list
(certutil is in libnss3-tools or nss-tools); Firefox keeps its own on every system
    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n memoryd -i {quoted}
    Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import
"#
    )
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
            "mcp-remote",
            "nssdb",
            "Firefox",
            "update-ca-certificates",
            "add-trusted-cert",
            "certutil",
            "VS Code",
        ] {
            assert!(told.contains(line), "{line} is missing in:\n{told}");
        }
        assert!(told.is_ascii());
        let settings = told.lines().find(|line| line.contains(r#"{ "env""#)).unwrap();
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        assert_eq!(settings["env"]["NODE_EXTRA_CA_CERTS"], "/srv/it's mine/certs/ca.pem");
    }
}
