"use strict";

const sections = document.getElementById("sections");
const toast = document.getElementById("toast");
/* Key numbers that somebody asked to see, by where they are and how they are masked: shown also when the page is drawn anew. */
const revealed = new Map();
const query = new URLSearchParams(location.search).get("q") ?? "";

function say(words) {
  toast.textContent = words;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidden = true; }, 4000);
}

async function call(spec, body) {
  const [method, path] = spec.split(" ");
  const sent = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`/console/api/${path}`, { method, ...sent });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error?.message ?? `HTTP ${answer.status}`);
  return told;
}

async function act(spec, body) {
  try {
    await call(spec, body);
    await refresh();
  } catch (failure) {
    say(failure.message);
  }
}

/* What a form says, as JSON: an empty field is left out. */
function content(form) {
  const said = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === "checkbox") said[field.name] = field.checked;
    else if (field.dataset.type === "list") said[field.name] = field.value.toUpperCase().split(/[\s,]+/).filter(Boolean);
    else if (field.value !== "") said[field.name] = field.type === "number" ? Number(field.value) : field.value.trim();
  }
  return said;
}

async function refresh() {
  const html = await (await fetch(`/console/sections?q=${encodeURIComponent(query)}`)).text();
  const open = [...sections.querySelectorAll("details[open]")].map((it) => it.id);
  sections.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  showRevealed();
}

function masked(button) {
  return `${button.dataset.reveal} ${button.textContent}`;
}

function showRevealed() {
  for (const button of sections.querySelectorAll("button[data-reveal]")) {
    button.textContent = revealed.get(masked(button)) ?? button.textContent;
  }
}

function typing() {
  return sections.contains(document.activeElement) && /^(INPUT|SELECT|IFRAME)$/.test(document.activeElement.tagName);
}

async function watch() {
  try {
    const { revision, now } = await (await fetch("/console/revision")).json();
    document.getElementById("clock").textContent = now;
    const shown = document.getElementById("shown").dataset.revision;
    if (revision !== shown && !typing()) await refresh();
  } catch {
    document.getElementById("clock").textContent = "not reachable";
  }
}

sections.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-call], button[data-reveal]");
  if (!button) return;
  if (button.dataset.call === "POST reset" && !confirm("Empty all books?")) return;
  button.disabled = true;
  if (button.dataset.call) await act(button.dataset.call, JSON.parse(button.dataset.body));
  else {
    const place = masked(button);
    revealed.set(place, (await call(`GET ${button.dataset.reveal}`)).key_number);
    showRevealed();
  }
  button.disabled = false;
});
sections.addEventListener("submit", (event) => {
  event.preventDefault();
  document.activeElement.blur();
  act(event.target.dataset.call, content(event.target));
});
sections.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && "auto" in form.dataset) act(form.dataset.call, content(form));
});

setInterval(watch, 1000);
