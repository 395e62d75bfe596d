"use strict";
// Whatever comes from the cluster is put in as text, never as markup.

const $ = (id) => document.getElementById(id);
const TOKEN = "rumormill-token";
const PAGE = 50;
const FEED = 200;
const ROWS = 200;
const SHOWN_BYTES = 256 * 1024;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(id, text) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
}

// --- Asking the node ---

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

let asking = null;

// Asks for the token once, however many requests were refused.
function askToken(wrong) {
  if (asking) return asking;
  asking = new Promise((resolve) => {
    $("ask-note").textContent = wrong ? "The node did not accept that token." : "";
    $("token").value = "";
    $("ask").showModal();
    $("ask-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(TOKEN, $("token").value.trim());
      $("ask").close();
      asking = null;
      resolve();
    };
  });
  return asking;
}
$("ask").addEventListener("cancel", (event) => event.preventDefault());

// Asks until the token is right; `patience` is for one try, people may take their time.
async function ask(path, options = {}, patience = 0) {
  if (asking) await asking;
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { authorization: "Bearer " + token } : {};
    const signal = patience ? AbortSignal.timeout(patience) : undefined;
    const response = await fetch(path, { cache: "no-store", ...options, headers, signal });
    if (response.status === 401) {
      // A token that was set since then may be the right one.
      if (token === sessionStorage.getItem(TOKEN)) await askToken(token !== null);
      continue;
    }
    if (response.ok) return response;
    let message = "the node answered " + response.status;
    try { message = (await response.json()).error || message; } catch { /* not JSON */ }
    throw new Refused(response.status, message);
  }
}

async function askJson(path) {
  return (await ask(path, {}, 5000)).json();
}

// --- Bytes ---

const utf8 = new TextEncoder();

function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

// The bytes of a field that is text or base64.
function bytesOf(entry, field) {
  const text = entry[field];
  return text !== undefined ? utf8.encode(text) : fromBase64(entry[field + "_base64"] || "");
}

function asText(bytes) {
  try { return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes); } catch { return null; }
}

// Bytes for the eye: text where they are text, else escapes.
function visible(bytes) {
  const text = asText(bytes);
  if (text !== null && text !== "") return text.replace(/[\p{Cc}\p{Cf}]/gu, (c) => "\\u{" + c.codePointAt(0).toString(16) + "}");
  if (bytes.length === 0) return "(the empty key)";
  return Array.from(bytes, (b) => (b > 32 && b < 127 ? String.fromCharCode(b) : "\\x" + b.toString(16).padStart(2, "0"))).join("");
}

function address(bytes) {
  const plain = /[A-Za-z0-9_~-]/;
  let path = "/v1/kv/";
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    path += plain.test(char) ? char : "%" + byte.toString(16).padStart(2, "0");
  }
  return path;
}

// Browsers read "." and ".." as steps in a path, however they are written.
function addressable(bytes) {
  const text = asText(bytes);
  return text !== "." && text !== "..";
}

// --- Numbers ---

const whole = new Intl.NumberFormat("en");

function bytesText(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return (unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)) + " " + units[unit];
}

function span(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const from = parts.findIndex(([size]) => seconds >= size);
  if (from < 0) return "0s";
  let rest = seconds;
  return parts.slice(from, from + 2).map(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count + unit;
  }).join(" ");
}

function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}

// --- Status ---

const names = new Map();
let last = null;
let digest = "";
const history = { sent: [], received: [] };

function showStatus(status) {
  names.set(status.id, status.name);
  document.title = status.name + " · Rumormill";
  setText("name", status.name);
  setText("where", "cluster " + status.cluster + " · id " + status.id);
  setText("entries", whole.format(status.entries));
  setText("tombstones", whole.format(status.tombstones) + " tombstones");
  const members = status.members;
  setText("alive", whole.format(members.alive) + " alive");
  const others = ["suspect", "dead", "left", "forgotten"].filter((state) => members[state] > 0);
  setText("not-alive", others.map((state) => whole.format(members[state]) + " " + state).join(", "));
  setText("warnings", status.warnings.join(" · "));
  digest = status.digest;
  setText("digest", digest.slice(0, 8) + "…");
  $("digest").title = digest;
  const fine = { "": "starting", ok: "durable", slow: "slow", memory: "in memory" }[status.store];
  setText("store", fine || status.store);
  $("store").className = fine ? "" : "bad";
  setText("store-hint", fine ? { memory: "gone when the node stops", ok: "writes reach the disk", slow: "writes wait for the disk" }[status.store] || "" : "writes are not accepted");
  setText("uptime", span(status.uptime_ms));
  setText("version", "version " + status.version);
  showTraffic(status);
  showUsage(status);
}

function showTraffic(status) {
  const now = status.traffic;
  const seconds = last && last.id === status.id ? (status.uptime_ms - last.uptime_ms) / 1000 : 0;
  if (seconds > 0) {
    for (const way of ["sent", "received"]) {
      const rate = (field) => Math.max(0, now[way + field] - last.traffic[way + field]) / seconds;
      const bytes = rate("_bytes");
      setText(way, bytesText(bytes) + "/s");
      setText(way + "-messages", whole.format(Math.round(rate("_messages"))) + " msg/s");
      history[way].push(bytes);
      if (history[way].length > 60) history[way].shift();
    }
    // One scale for both, so that they can be compared.
    const most = Math.max(1024, ...history.sent, ...history.received);
    for (const way of ["sent", "received"]) sparkline(way + "-line", history[way], most);
  }
  const shed = now.shed_messages > 0 ? ", " + whole.format(now.shed_messages) + " messages shed" : "";
  setText("totals", "Since the start: " + bytesText(now.sent_bytes) + " sent, " + bytesText(now.received_bytes) + " received" + shed + ".");
  last = status;
}

function sparkline(id, rates, most) {
  const [width, height] = [120, 36];
  const x = (index) => width - (rates.length - 1 - index) * (width / 59);
  const points = rates.map((rate, index) => x(index).toFixed(1) + " " + (height - 2 - (height - 6) * (rate / most)).toFixed(1));
  if (points.length < 2) return;
  const line = "M" + points.join("L");
  $(id).querySelector(".line").setAttribute("d", line);
  $(id).querySelector(".area").setAttribute("d", line + "L" + width + " " + height + "L" + x(0).toFixed(1) + " " + height + "Z");
}

function showUsage(status) {
  const base = "curl " + (sessionStorage.getItem(TOKEN) ? "-H \"Authorization: Bearer $TOKEN\" " : "");
  const at = location.origin + "/v1";
  setText("usage", [
    base + "-X PUT --data-binary hello '" + at + "/kv/greeting?ttl=10m'",
    base + at + "/kv/greeting",
    base + "-X DELETE " + at + "/kv/greeting",
    base + "'" + at + "/kv?prefix=gr&limit=10'",
    base + "-N '" + at + "/watch?prefix='",
    base + at + "/export > entries.ndjson",
    base + "--data-binary @entries.ndjson " + at + "/kv",
    base + at + "/status",
  ].join("\n") + (status.redis ? "\nredis-cli -h " + status.redis.replace(/:(\d+)$/, " -p $1") : ""));
}

let membersShown = "";

function showMembers(members) {
  for (const member of members) names.set(member.id, member.name);
  const text = JSON.stringify(members);
  if (text === membersShown) return;
  membersShown = text;
  const rank = (member) => (member.is_self ? 0 : { suspect: 1, dead: 2, alive: 3 }[member.state] || 4);
  members.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  $("members").replaceChildren(...members.slice(0, ROWS).map((member) => {
    const row = element("tr");
    const name = element("td", "", member.name);
    if (member.is_self) name.append(element("span", "self", " this node"));
    const state = element("td");
    const known = ["alive", "suspect", "dead", "left", "forgotten"].includes(member.state);
    state.append(element("span", "state " + (known ? member.state : ""), member.state));
    const http = element("td");
    if (member.http && !member.is_self && member.state === "alive") {
      const link = element("a", "", member.http);
      link.href = location.protocol + "//" + member.http + "/";
      http.append(link);
    } else {
      http.textContent = member.http || "–";
    }
    const tags = Object.entries(member.tags).map(([tag, value]) => tag + "=" + value).join(" ");
    row.append(name, state, element("td", "", tags || "–"), element("td", "", member.gossip), element("td", "", member.redis || "–"), http, element("td", "id", member.id));
    return row;
  }));
  const note = $("members-note");
  note.hidden = members.length > 0 && members.length <= ROWS;
  note.textContent = members.length === 0
    ? "No members are known yet. Start another agent with --join and this node's gossip address."
    : "The first " + ROWS + " of " + whole.format(members.length) + "; /v1/members has all.";
}

function setLive(good, text) {
  $("live").className = "live " + (good ? "good" : "bad");
  setText("live-text", text);
}

async function poll() {
  if (!document.hidden) {
    try {
      const [status, { members }] = await Promise.all([askJson("/v1/status"), askJson("/v1/members")]);
      showStatus(status);
      showMembers(members);
      const missing = ["suspect", "dead"].filter((state) => status.members[state] > 0);
      const away = missing.map((state) => whole.format(status.members[state]) + " " + state);
      // Green is for a cluster that is well, not for an answer.
      setLive(away.length === 0 && status.warnings.length === 0, away.join(", ") || (status.warnings.length > 0 ? "live, with warnings" : "live"));
      $("not-alive").className = missing.includes("dead") ? "bad" : missing.length > 0 ? "warn" : "";
    } catch (error) {
      setLive(false, error instanceof Refused ? error.message : "no answer from the node");
    }
  }
  setTimeout(poll, 1000);
}

$("copy").addEventListener("click", async () => {
  let done = true;
  try {
    await navigator.clipboard.writeText(digest);
  } catch {
    // No clipboard outside of secure contexts: mark the digits, so that a keystroke copies them.
    setText("digest", digest);
    getSelection().selectAllChildren($("digest"));
    done = false;
  }
  setText("copy", done ? "Copied" : "Selected, now copy");
  setTimeout(() => setText("copy", "Copy all 32 digits"), 2000);
});

// --- Keys ---

let listed = { prefix: "", next: null };
let current = null;

async function list(more) {
  if (!more) listed = { prefix: $("prefix").value, next: null };
  const asked = listed;
  const query = new URLSearchParams({ prefix: asked.prefix, limit: PAGE, keys: 1 });
  if (more) query.set("after", asked.next);
  try {
    const page = await askJson("/v1/kv?" + query);
    if (asked !== listed) return;
    const rows = page.entries.map(keyRow);
    if (more) $("list").append(...rows); else $("list").replaceChildren(...rows);
    listed.next = page.next;
    $("more").hidden = page.next === null;
    const count = $("list").childElementCount;
    setText("list-note", count === 0 ? (asked.prefix ? "No key starts with that." : "No keys yet.") : count + (page.next ? " shown, there are more" : count === 1 ? " key" : " keys"));
  } catch (error) {
    setText("list-note", error.message);
  }
}

function keyRow(entry) {
  const bytes = bytesOf(entry, "key");
  const item = element("li");
  const button = element("button", "", visible(bytes));
  button.type = "button";
  button.addEventListener("click", () => {
    for (const other of $("list").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    open(bytes);
  });
  item.append(button);
  return item;
}

function edit(bytes) {
  current = bytes;
  $("pick").hidden = true;
  $("editor").hidden = false;
  $("key").value = bytes ? visible(bytes) : "";
  $("key").readOnly = bytes !== null;
  $("value").value = "";
  $("value").readOnly = false;
  $("ttl").value = "";
  $("save").disabled = false;
  $("delete").hidden = bytes === null;
  setText("value-label", "Value");
  setText("entry-note", "");
  setText("outcome", "");
}

async function open(bytes) {
  edit(bytes);
  if (!addressable(bytes)) {
    setText("outcome", "Browsers cannot address this key; use the terminal: curl --path-as-is");
    $("save").disabled = true;
    $("delete").hidden = true;
    return;
  }
  try {
    const response = await ask(address(bytes));
    const value = new Uint8Array(await response.arrayBuffer());
    if (current !== bytes) return;
    const text = asText(value);
    const long = value.length > SHOWN_BYTES;
    $("value").value = text === null ? Array.from(value.slice(0, 4096), (b) => b.toString(16).padStart(2, "0")).join(" ") : text.slice(0, SHOWN_BYTES);
    setText("value-label", "Value, " + bytesText(value.length) + (text === null ? ", not text: the first bytes in hexadecimal" : long ? ", only its beginning" : ""));
    $("value").readOnly = text === null || long;
    $("save").disabled = text === null || long;
    describe(response.headers);
  } catch (error) {
    if (current === bytes) setText("outcome", error.message);
  }
}

function describe(headers) {
  const stamp = headers.get("x-rumormill-stamp");
  const origin = headers.get("x-rumormill-origin");
  if (!stamp) return;
  const expires = headers.get("x-rumormill-expires-at");
  setText("entry-note", "Written " + new Date(parseInt(stamp, 10)).toLocaleString() + " at " + (names.get(origin) || origin)
    + (expires ? ". Expires " + new Date(Number(expires)).toLocaleString() + ". Put again without a time to live, it stays." : "."));
}

async function save(event) {
  event.preventDefault();
  const bytes = current || utf8.encode($("key").value);
  if (!addressable(bytes)) return setText("outcome", "Browsers cannot address this key; use the terminal: curl --path-as-is");
  if (bytes.length === 0 && !current) return setText("outcome", "Give the key a name.");
  const ttl = $("ttl").value.trim();
  try {
    const response = await ask(address(bytes) + (ttl ? "?" + new URLSearchParams({ ttl }) : ""), { method: "PUT", body: $("value").value });
    current = bytes;
    $("key").readOnly = true;
    $("delete").hidden = false;
    describe(response.headers);
    setText("outcome", "Put at " + clock(Date.now()) + ".");
    list(false);
  } catch (error) {
    setText("outcome", error.message);
  }
}

async function remove() {
  if (!current || !confirm("Delete " + visible(current) + " on every node?")) return;
  try {
    await ask(address(current), { method: "DELETE" });
    setText("entry-note", "");
    setText("outcome", "Deleted. Put would write it again.");
    list(false);
  } catch (error) {
    setText("outcome", error.message);
  }
}

$("search").addEventListener("submit", (event) => { event.preventDefault(); list(false); });
$("prefix").addEventListener("input", () => {
  clearTimeout(list.soon);
  list.soon = setTimeout(() => list(false), 250);
});
$("more").addEventListener("click", () => list(true));
$("new").addEventListener("click", () => { edit(null); $("key").focus(); });
$("editor").addEventListener("submit", save);
$("delete").addEventListener("click", remove);

// --- Changes ---

let fresh = [];
let perSecond = 0;
let paused = false;

function take(block) {
  let kind = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (!data) return;
  perSecond += 1;
  if (paused) return;
  fresh.push([kind, JSON.parse(data)]);
  if (fresh.length > FEED) fresh.shift();
}

function change([kind, data]) {
  const item = element("li", kind);
  item.append(element("span", "what", kind));
  if (kind === "missed") {
    item.append(element("span", "key", whole.format(data.missed) + " changes came too fast to show"));
  } else {
    item.append(element("span", "key", visible(bytesOf(data, "key"))));
    item.append(element("small", "", clock(parseInt(data.stamp, 10)) + " at " + (names.get(data.origin) || data.origin)));
  }
  return item;
}

// The page keeps up with any number of changes: it draws a few times a second, the latest only.
setInterval(() => {
  if (fresh.length === 0) return;
  const feed = $("feed");
  feed.prepend(...fresh.reverse().map(change));
  fresh = [];
  while (feed.childElementCount > FEED) feed.lastElementChild.remove();
  $("feed-note").hidden = true;
}, 200);
setInterval(() => {
  setText("feed-rate", perSecond > 0 ? whole.format(perSecond) + "/s" : "");
  perSecond = 0;
}, 1000);

async function follow() {
  for (;;) {
    try {
      const response = await ask("/v1/watch?keys=1");
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = blocks.pop();
        blocks.forEach(take);
      }
    } catch (error) {
      if (error instanceof Refused) { $("feed-note").hidden = false; setText("feed-note", error.message); }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  setText("pause", paused ? "Go on" : "Pause");
});

poll();
list(false);
follow();
