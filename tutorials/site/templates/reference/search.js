// The search in the reference: names first, then descriptions. It needs no network.
"use strict";

const MOST = 60;
const ENTRIES = JSON.parse(document.getElementById("entries").textContent);
const box = document.querySelector("[name=q]"), found = document.getElementById("found");
const count = document.getElementById("count"), rooms = document.querySelectorAll(".room, .lead");

// 0: the word is the last part of the name; 1: it begins that part; 2, 3, 4: it is in the name, the summary, the rest.
function distance(entry, word) {
  const last = entry.name.toLowerCase().split(".").pop();
  if (last === word) return 0;
  if (last.startsWith(word)) return 1;
  const part = [entry.name, entry.summary, entry.text].findIndex((text) => text.toLowerCase().includes(word));
  return part < 0 ? Infinity : 2 + part;
}

function hits(words) {
  const rows = ENTRIES.map((entry) => [Math.max(...words.map((word) => distance(entry, word))), entry]);
  const near = rows.filter(([far]) => far < Infinity);
  const order = ([far, entry]) => [far, entry.summary ? 0 : 1, entry.name.length];
  const before = (a, b) => order(a).map((part, i) => part - order(b)[i]).find((part) => part) || 0;
  return near.sort(before).map(([, entry]) => entry);
}

function element(name, text, parent) {
  const made = parent.appendChild(document.createElement(name));
  made.textContent = text;
  return made;
}

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = words.length ? hits(words) : [];
  found.replaceChildren();
  for (const entry of rows.slice(0, MOST)) {
    element("a", entry.name, element("dt", "", found)).href = entry.href;
    element("dd", entry.summary, found);
  }
  const shown = rows.length > MOST ? `, the first ${MOST} of them shown` : "";
  count.textContent = words.length ? `${rows.length} ${rows.length === 1 ? "name" : "names"}${shown}` : "";
  for (const room of rooms) room.hidden = words.length > 0;
}

box.addEventListener("input", search);
box.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const first = found.querySelector("a");
  if (first) location.href = first.href;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  }
});
box.value = new URLSearchParams(location.search).get("q") || box.value;
search();
