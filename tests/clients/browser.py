"""The status page in a real browser, without a screen."""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from cluster import collect, until
from http_api import ask

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # The page's clock runs on while nothing is being fetched: this long for it, an instant for us.
    "--virtual-time-budget=10000",
)


def checks():
    return collect(sys.modules[__name__])


def page(url, *more):
    """The document as it is after its script has run for a while; with what the console said."""
    program = next((name for name in NAMES if shutil.which(name)), None)
    assert program, f"there is no browser: none of {', '.join(NAMES)} is installed"
    with tempfile.TemporaryDirectory(prefix="rumormill-browser-") as profile:
        done = subprocess.run(
            [
                program,
                *FLAGS,
                *more,
                f"--user-data-dir={profile}",
                "--enable-logging=stderr",
                "--dump-dom",
                url,
            ],
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, "HOME": profile},
        )
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, said
    return done.stdout.decode(), [line for line in said.splitlines() if "CONSOLE" in line]


def text_of(dom, name):
    """The text within the element with this id."""
    found = re.search(rf'<(\w+)[^>]*\bid="{name}"[^>]*>(.*?)</\1>', dom, re.DOTALL)
    assert found, f"no {name} in {dom}"
    return html.unescape(re.sub(r"<[^>]*>", " ", found.group(2)))


def check_the_page_shows_the_node_its_members_and_a_key(agents):
    nasty = "page/<b onclick=alert(1)>&amp;"
    url = agents[0].url + "/v1/kv/" + urllib.request.quote(nasty)
    assert ask("PUT", url, b"<script>alert(1)</script>")[0] == 200
    assert ask("PUT", agents[0].url + "/v1/kv/%21first%20key", b"seen")[0] == 200
    agents.agree()

    node = agents[1]

    def loaded():
        dom, console = page(node.url + "/")
        return (dom, console) if "!first key" in text_of(dom, "list") else None

    dom, console = until("the page shows the key", loaded)
    assert text_of(dom, "name") == "node1", text_of(dom, "name")
    members = text_of(dom, "members")
    for agent in agents.agents:
        assert agent.name in members and agent.hello["gossip"] in members, members
    assert members.count("alive") == 3, members
    assert text_of(dom, "digest")[:8] == node.status()["digest"][:8]
    assert int(text_of(dom, "entries").replace(",", "")) == node.status()["entries"]
    assert text_of(dom, "live-text") == "live"
    assert not re.search(r"<b onclick|<script>alert", dom), "a key became markup"
    assert not console, console
