"""Files for other programs: what they name is there, and they read as their programs read them."""

import json
import re
import stat
import sys
import zipfile

import common
import pytest
from conftest import DIST, ROOT, VERSION, Served, free_port, made, needs, run

KEY = "files-test-key-0123456789abcdef"
# Series that are not ours, or that Prometheus makes of ours.
ENDINGS = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def metrics(binary, tmp_path_factory):
    """The names that a real server gives, with a certificate and a backup, which have figures of their own."""
    folder = tmp_path_factory.mktemp("metrics")
    env = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(folder / "data"), "PORT": str(free_port()), "MCP_API_KEY": KEY,
           "BACKUP_DIR": str(folder / "backups")}
    run(binary, "certs", "--out", folder / "certs", env=env, cwd=folder)
    env |= {"SSL_CERT_PATH": str(folder / "certs/server.pem"), "SSL_KEY_PATH": str(folder / "certs/server-key.pem")}
    with Served([binary, "serve"], int(env["PORT"]), KEY, tls=folder / "certs/ca.pem", env=env, cwd=folder) as served:
        memory = served.add("the meter is read in December")
        assert served.finds("meter") == [memory]
        run(binary, "backup", "create", env=env, cwd=folder)
        status, told = served.ask("GET", "/metrics")
    assert status == 200, told
    return told


def families(text):
    return set(re.findall(r"^# TYPE (\w+) ", text, re.M))


@pytest.mark.parametrize("name", ["memoryd.json", "memoryd-alerts.yaml"])
def test_the_dashboard_and_the_alerts_name_only_figures_that_are_given(metrics, name):
    named = set(re.findall(r"\bmemoryd_\w+", (ROOT / "packaging/grafana" / name).read_text()))

    plain = {next((figure.removesuffix(end) for end in ENDINGS if figure.endswith(end)), figure) for figure in named}
    assert len(plain) > 4
    assert plain <= families(metrics), plain - families(metrics)


def test_the_labels_of_the_dashboard_are_given(metrics):
    told = json.loads((ROOT / "packaging/grafana/memoryd.json").read_text())
    expressions = [target["expr"] for panel in told["panels"] for target in panel["targets"]]

    for expression in expressions:
        figure = re.search(r"\bmemoryd_\w+", expression)[0]
        for label in re.findall(r"by \((\w+)\)", expression):
            series = re.findall(rf"^{figure}{{([^}}]*)}}", metrics, re.M)
            assert not series or any(label + "=" in each for each in series), expression
    assert {panel["type"] for panel in told["panels"]} == {"stat", "timeseries"}
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])


def bundles():
    return sorted(DIST.glob("*.mcpb"))


def test_a_bundle_holds_a_program_that_may_be_run_and_a_manifest_that_names_it():
    made("SHA256SUMS")

    assert bundles()
    for path in bundles():
        with zipfile.ZipFile(path) as bundle:
            manifest = json.loads(bundle.read("manifest.json"))
            program = bundle.getinfo(manifest["server"]["entry_point"])
        assert manifest["version"] == VERSION and "@" not in json.dumps(manifest)
        assert stat.S_IMODE(program.external_attr >> 16) == 0o755
        assert set(manifest) <= {"manifest_version", "name", "display_name", "version", "description", "author", "license", "server",
                                 "user_config", "tools", "tools_generated", "compatibility"}


def started(binary, given, folder):
    """What the tools of a bundle are called, as its host starts it: every place has what was given, or its default."""
    manifest = json.loads((ROOT / "packaging/mcpb/manifest.json").read_text())
    values = {name: option.get("default", "") for name, option in manifest["user_config"].items()} | given
    fill = lambda text: re.sub(r"\$\{user_config\.(\w+)\}", lambda place: values[place[1]], text)
    config = manifest["server"]["mcp_config"]
    env = {"PATH": "/usr/bin:/bin"} | {name: fill(text) for name, text in config["env"].items()}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}
    lines = [hello, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
    told = run(binary, *map(fill, config["args"]), input="".join(json.dumps(line) + "\n" for line in lines), cwd=folder, env=env)

    answers = {answer.get("id"): answer for answer in map(json.loads, told.stdout.splitlines())}
    return {tool["name"] for tool in answers[2]["result"]["tools"]}


def test_a_bundle_has_the_tools_that_it_names_with_a_folder_and_with_a_server_elsewhere(binary, tmp_path):
    named = {tool["name"] for tool in json.loads((ROOT / "packaging/mcpb/manifest.json").read_text())["tools"]}
    folder, port = tmp_path / "bundle", free_port()
    folder.mkdir()
    env = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path / "data"), "PORT": str(port), "MCP_API_KEY": KEY}
    run(binary, "certs", "--out", tmp_path / "certs", env=env, cwd=tmp_path)
    env |= {"SSL_CERT_PATH": str(tmp_path / "certs/server.pem"), "SSL_KEY_PATH": str(tmp_path / "certs/server-key.pem")}

    assert started(binary, {"data_dir": str(folder / "data")}, folder) == named
    with Served([binary, "serve"], port, KEY, tls=tmp_path / "certs/ca.pem", env=env, cwd=tmp_path):
        elsewhere = {"url": f"https://localhost:{port}/mcp", "key": KEY, "authority": str(tmp_path / "certs/ca.pem"),
                     "data_dir": str(folder / "none")}
        assert started(binary, elsewhere, folder) == named
    assert not (folder / "none").exists()


def test_the_registry_is_told_of_what_was_made():
    told = json.loads(made("recipes/server.json").read_text())

    hashes = {package["fileSha256"] for package in told["packages"] if package["registryType"] == "mcpb"}
    assert hashes == {common.sha256(path.read_bytes()) for path in bundles()}
    assert told["version"] == VERSION and len(told["description"]) <= 100
    assert all("mcp" in package["identifier"] for package in told["packages"] if package["registryType"] == "mcpb")


def test_no_recipe_has_a_place_that_was_not_filled():
    recipes = [path for path in made("recipes").rglob("*") if path.is_file()]

    assert len(recipes) > 8
    for path in recipes:
        assert not re.search(r"@[A-Z0-9_]+@", path.read_text()), path


def test_the_app_of_home_assistant_sets_nothing_that_is_no_setting():
    app, config = ((ROOT / path).read_text() for path in ("packaging/homeassistant/config.yaml", "config.toml"))

    names = re.findall(r"^  ([A-Z_]+): (.*)$", app.split("\nenvironment:\n")[1], re.M)
    assert {"DASHBOARD_INGRESS", "DATA_DIR"} < {name for name, _ in names}
    for name, value in names:
        assert re.search(rf"\b{name}\b", config), name
        # Home Assistant takes texts only.
        assert value not in ("true", "false") and not value.isdigit(), name


def test_the_recipes_name_the_digests_of_the_archives():
    for arch in ("amd64", "arm64"):
        archive = DIST / f"memoryd-{VERSION}-linux-{arch}.tar.gz"
        if archive.exists():
            digest = common.sha256(archive.read_bytes())
            for recipe in ("homebrew/memoryd.rb", "aur/memoryd-bin/PKGBUILD"):
                assert digest in made(f"recipes/{recipe}").read_text(), (recipe, arch)


def test_the_scripts_of_packages_are_shell():
    needs("bash", "sh")
    for path in (ROOT / "packaging/deb").iterdir():
        if path.read_text().startswith("#!"):
            run("sh", "-n", path)
    for path in [*(ROOT / "packaging/aur").rglob("PKGBUILD"), ROOT / "packaging/aur/memoryd.install"]:
        run("bash", "-n", path)
    for path in (ROOT / "tools/dist").glob("*.sh"):
        run("sh", "-n", path)


def test_a_page_of_the_manual_that_cannot_be_made_is_no_page(tmp_path):
    fake = tmp_path / "memoryd"
    fake.write_text("#!/bin/sh\nprintf 'about\\n\\nUsage: memoryd\\n\\nOptions:\\n  no flag at all\\n'\n")
    fake.chmod(0o755)

    told = run(sys.executable, "-B", ROOT / "tools/dist/man.py", "--bin", fake, check=False)

    assert told.returncode == 1 and "cannot be read" in told.stderr, told


def test_what_a_workflow_runs_is_named_by_its_commit_and_no_job_hands_a_token_to_all_its_steps():
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        text = path.read_text()
        for used in re.findall(r"uses: (.*)", text):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), (path.name, used)
        assert "permissions:\n  contents: read\n" in text, path.name
        assert "releases/latest" not in text, path.name
        assert not re.search(r"^ {0,4}env:", text, re.M), path.name


def test_no_job_of_a_release_may_write_both_the_release_and_the_image():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = re.split(r"^  (?=\w+:$)", text.split("\njobs:\n")[1], flags=re.M)

    may_write = [{right for right in re.findall(r"^      ([\w-]+): write$", job, re.M)} for job in jobs]
    assert [rights for rights in may_write if rights] == [
        {"packages", "id-token", "attestations"}, {"contents"}, {"id-token"}]


def test_what_has_no_sum_runs_before_anything_is_published_and_can_change_nothing_of_it():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = re.split(r"^  (?=\w+:$)", text.split("\njobs:\n")[1], flags=re.M)

    [looks] = [job for job in jobs if "npx " in job]
    [first] = [job for job in jobs if job.startswith("image:")]

    assert looks.startswith("validate:") and "    permissions: {}\n" in looks
    assert "upload-artifact" not in looks and "secrets." not in looks
    assert "    needs: validate\n" in first
