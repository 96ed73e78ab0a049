// The graph: a row for each operation, in the order in which they ran, with lines from each value to its uses.
"use strict";

const ROW = 30, LANE = 9, MOST_LANES = 11;

function svg(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

// Every (from, to) of rows; and a lane for those that pass others by, as few lanes as do.
function edgesOf(steps) {
  const edges = [], free = [];
  steps.forEach((step, to) => {
    for (const id of new Set(step.inputs)) {
      const from = tape.values[id].made;
      if (from !== null) edges.push({ from, to, lane: 0 });
    }
  });
  edges.sort((a, b) => a.from - b.from || a.to - b.to);
  for (const edge of edges) {
    if (edge.to === edge.from + 1) continue;
    let lane = free.findIndex((until) => until <= edge.from);
    if (lane < 0) lane = free.length < MOST_LANES ? free.length : edge.from % MOST_LANES;
    free[lane] = edge.to;
    edge.lane = lane + 1;
  }
  return edges;
}

function drawGraph(into, go) {
  const steps = tape.steps, edges = edgesOf(steps);
  const lanes = edges.reduce((most, edge) => Math.max(most, edge.lane), 0), x = 16 + lanes * LANE;
  const drawing = svg("svg", { width: x + 12, height: ROW * steps.length }, into);
  const middle = (row) => row * ROW + ROW / 2;
  for (const edge of edges) {
    const left = x - edge.lane * LANE, [a, b] = [middle(edge.from), middle(edge.to)];
    const bend = edge.lane ? `C ${left} ${a}, ${left} ${a}, ${left} ${a + ROW / 2} L ${left} ${b - ROW / 2} C ${left} ${b}, ${left} ${b}, ${x} ${b}` : `L ${x} ${b}`;
    edge.path = svg("path", { d: `M ${x} ${a} ${bend}`, class: "edge" }, drawing);
  }
  const rows = steps.map((step, row) => {
    const button = document.createElement("button"), output = tape.values[step.output];
    const names = step.inputs.map((id) => tape.values[id].name).filter((name) => name !== "none");
    button.style.paddingLeft = `${x + 14}px`;
    for (const [kind, text] of [["name", step.op], ["from", names.join(", ")], ["shape", shapeText(output.shape)]]) {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = text;
      button.append(part);
    }
    button.title = equationOf(step);
    button.addEventListener("click", () => go(step.forward));
    into.append(button);
    return { button, node: svg("circle", { cx: x, cy: middle(row), r: 5, class: "node" }, drawing) };
  });
  return function showGraph(moment) {
    const [here, back] = tape.moments[moment];
    rows.forEach(({ button, node }, row) => {
      const step = steps[row], done = step.forward <= moment, returned = step.back !== null && step.back <= moment;
      button.className = `${done ? "done" : ""} ${row === here ? "here" : ""} ${back ? "back" : ""}`;
      node.setAttribute("class", `node ${returned ? "returned" : done ? "done" : ""}`);
      if (row === here) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
    for (const edge of edges) {
      edge.path.setAttribute("class", edge.to === here || edge.from === here ? "edge near" : "edge");
    }
    const box = into.parentElement, top = here * ROW;
    if (top < box.scrollTop + ROW || top > box.scrollTop + box.clientHeight - 2 * ROW) {
      box.scrollTop = top - box.clientHeight / 2;
    }
  };
}

function equationOf(step) {
  const names = step.inputs.map((id) => tape.values[id].name).filter((name) => name !== "none");
  return `${tape.values[step.output].name} = ${step.op}(${names.join(", ")})`;
}
