// Stepping: one moment is shown at a time, an operation's forward or its backward.
"use strict";

const byId = (id) => document.getElementById(id);
const last = tape.moments.length - 1;
let now = 0, maps = [], noted = 0;

const showGraph = drawGraph(byId("graph"), go);

// Show a moment. told: it comes from the browser's history, which has it already.
function go(moment, told = false) {
  now = Math.min(Math.max(moment, 0), last);
  const [row, back] = tape.moments[now], step = tape.steps[row];
  byId("where").textContent = `${now + 1} of ${last + 1}`;
  byId("slider").value = now;
  for (const [id, end] of [["first", 0], ["previous", 0], ["next", last], ["last", last]]) byId(id).disabled = now === end;
  document.querySelector("article").className = back ? "back" : "";
  byId("direction").textContent = back ? "backward" : "forward";
  byId("direction").className = back ? "back" : "";
  byId("equation").textContent = equationOf(step);
  showFacts(step, back);
  showLines(step);
  byId("formula").textContent = step.formula[back ? 1 : 0];
  byId("readout").hidden = true;
  byId("keys").hidden = false;
  byId("pixel").hidden = true;
  showCards(step, back);
  showWhy(step, back);
  const code = byId("code");
  code.hidden = step.source === null;
  code.querySelector("summary").textContent = `the source of ${step.op}, forward and backward`;
  code.querySelector("pre").tabIndex = 0;
  code.querySelector("pre").textContent = step.source === null ? "" : tape.sources[step.source];
  showGraph(now);
  document.querySelector("article").scrollTop = 0;
  clearTimeout(noted);
  const address = `#${now + 1}`;
  if (location.protocol !== "about:" && !told && location.hash !== address) {
    noted = setTimeout(() => history.pushState(null, "", address), 300);  // many steps in a row are one
  }
}

function showFacts(step, back) {
  const facts = [`operation ${step.number} of ${tape.steps.length}`];
  if (step.arguments) facts.push(step.arguments);
  facts.push(`${shown(back ? step.backMilliseconds : step.milliseconds, 3)} ms`);
  const line = byId("facts");
  line.textContent = facts.join(" · ");
  const other = back ? step.forward : step.back;
  if (other === null) {
    line.append(" · no gradient came back to it");
  } else {
    const button = node("button", back ? "see its forward" : "see its backward", line, "switch");
    button.addEventListener("click", () => go(other));
  }
}

function showLines(step) {
  const lines = byId("lines");
  lines.replaceChildren();
  for (const { place: at, text, file } of step.lines.slice().reverse()) {
    const line = node("p", null, lines);
    node("span", at, line, "place").title = file;
    node("code", text, line);
  }
}

// Forward: what goes in and what comes out. Backward: what comes in at the output, and what goes on to each input.
function showCards(step, back) {
  const cards = byId("cards"), output = tape.values[step.output];
  cards.replaceChildren();
  maps = [];
  const seen = new Set();
  if (back) card(cards, `${output.name}.grad`, tape.pictures[step.cotangent], "comes back", "gradient");
  step.inputs.forEach((id, i) => {
    const value = tape.values[id];
    if (value.name === "none" || seen.has(id)) return;
    seen.add(id);
    if (back && step.gradients[i] !== null) {
      const sum = step.inputs.filter((other) => other === id).length > 1 ? ", one of its uses" : "";
      card(cards, `${value.name}.grad`, tape.pictures[step.gradients[i]], `goes on${sum}`, "gradient");
    }
    card(cards, value.name, tape.pictures[value.picture], step.parameters[i] === value.name ? "" : step.parameters[i]);
  });
  card(cards, output.name, tape.pictures[output.picture], "result", "result");
  drawMaps();
}

function card(cards, name, picture, role, kind = "") {
  const box = node("div", null, cards, `card ${kind}`), head = node("h3", null, box);
  node("span", name, head, "name");
  node("span", shapeText(picture.shape), head, "shape");
  if (role) node("span", role, head, "role");
  if (picture.size === 1) {
    node("p", shown(numbersOf(picture)[0], 9), box, "scalar number");
    return;
  }
  if (picture.size === 0) {
    node("p", "empty", box, "statistics");
    return;
  }
  const map = heatMap(picture, chosen);
  map.name = name;
  map.canvas.setAttribute("aria-label", `${name} ${shapeText(picture.shape)}, from ${shown(picture.low, 3)} to ${shown(picture.high, 3)}`);
  box.append(map.canvas);
  maps.push(map);
  const scale = node("div", null, box, "scale"), bar = document.createElement("i");
  bar.style.background = `linear-gradient(90deg, ${[-1, -.5, -.2, 0, .2, .5, 1].map(colour).join(",")})`;
  scale.append(shown(-picture.scale, 3), bar, shown(picture.scale, 3));
  const statistics = [`${shown(picture.low, 4)} … ${shown(picture.high, 4)}`, `mean ${shown(picture.mean, 3)}`, `deviation ${shown(picture.deviation, 3)}`];
  if (picture.zeros) statistics.push(`${Math.round(100 * picture.zeros)} % zeros`);
  if (picture.bad) statistics.push(`${picture.bad} not finite`);
  node("p", statistics.join(" · "), box, "statistics");
  const tiles = tilesOf(picture).length, drawn = Math.min(tiles, MOST_TILES);
  if (picture.note) node("p", picture.note, box, "statistics");
  else if (drawn < tiles) node("p", `the first ${drawn} of ${tiles} tiles`, box, "statistics");
}

function drawMaps() {
  const room = byId("cards").clientWidth, phone = room < 560;
  for (const map of maps) map.draw(Math.max(phone ? room - 28 : Math.min(room - 28, 500), 120));
}

function chosen(map, index, value) {
  for (const other of maps) {
    if (other !== map && other.selected) {
      other.selected = null;
      other.draw();
    }
  }
  const [row, back] = tape.moments[now], step = tape.steps[row], line = byId("readout");
  line.replaceChildren();
  line.hidden = false;
  byId("keys").hidden = true;
  const about = map.picture.whole ? "" : "about ";
  node("span", `${place(map.name, index)} = `, line, "name");
  node("span", `${about}${shown(value, map.picture.whole ? 9 : 3)}`, line, "number");
  if (map.name.endsWith(".grad")) {
    const name = map.name.slice(0, -5), at = index.length === 1 ? index[0] : `(${index.join(", ")})`;
    node("span", `   tape.why("${name}", ${at}) tells why`, line, "hint");
  }
  if (step.conv && !back && map.name === tape.values[step.output].name) {
    showPixel(byId("pixel"), step, index, pointAt);
    const hidden = byId("pixel").getBoundingClientRect().top + 260 - window.innerHeight;
    if (hidden > 0) (innerWidth <= 736 ? window : document.querySelector("article")).scrollBy({ top: hidden });
  } else if (!byId("pixel").hidden) {
    byId("pixel").hidden = true;
    pointAt([]);
  }
}

// Frame in x and w what these products read; in a large array, the cells that they fall into.
function pointAt(products) {
  const step = tape.steps[tape.moments[now][0]], names = step.inputs.slice(0, 2).map((id) => tape.values[id].name);
  for (const map of maps) {
    const which = names.indexOf(map.name);
    if (which < 0) continue;
    const wanted = new Set(products.map((product) => (which ? product.w : product.x).join()));
    map.marks = map.picture.whole && wanted.size ? (index) => wanted.has(index.join()) ? (products.length === 1 ? 3 : 1.5) : 0 : null;
    map.draw();
  }
}

function showWhy(step, back) {
  const section = byId("why");
  section.replaceChildren();
  if (!back) return;
  for (const id of new Set(step.inputs)) {
    const { name, why } = tape.values[id];
    if (why) {
      node("h3", `The largest of ${name}.grad, and why`, section);
      node("pre", why, section).tabIndex = 0;  // it scrolls
    }
  }
}

const moves = { ArrowLeft: () => go(now - 1), ArrowRight: () => go(now + 1), Home: () => go(0), End: () => go(last) };
const backOf = () => tape.steps[tape.moments[now][0]];
moves.b = () => backOf().back !== null && go(backOf().back);
moves.f = () => go(backOf().forward);
const cells = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === byId("slider")) return;
  if (event.shiftKey && cells[event.key]) {
    const map = maps.find((each) => each.selected) || maps.find((each) => each.canvas === document.activeElement) || maps[maps.length - 1];
    if (map) map.move(...cells[event.key]);
  } else if (!event.shiftKey && moves[event.key]) {
    moves[event.key]();
  } else return;
  event.preventDefault();
});
byId("first").addEventListener("click", moves.Home);
byId("previous").addEventListener("click", moves.ArrowLeft);
byId("next").addEventListener("click", moves.ArrowRight);
byId("last").addEventListener("click", moves.End);
byId("slider").max = last;
byId("slider").addEventListener("input", () => go(Number(byId("slider").value)));
byId("summary").textContent = tape.summary;
let waiting = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(drawMaps);
});
dark.addEventListener("change", () => go(now));
const fromAddress = () => go(Number(location.hash.slice(1)) - 1 || 0, true);
window.addEventListener("popstate", fromAddress);
fromAddress();
