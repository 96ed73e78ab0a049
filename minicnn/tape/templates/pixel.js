// One output of a convolution, every way it is computed. Says what tape.pixel() says.
"use strict";

const MOST_PRODUCTS = 300;

function node(name, text, parent, kind) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  if (kind) element.className = kind;
  if (parent) parent.append(element);
  return element;
}

// The products of y[index], in the order of the loops; those with padding are counted only.
function productsOf(step, index) {
  const { window, groups } = step.conv, [x, w] = step.inputs.slice(0, 2).map((id) => tape.values[id]);
  const n = index[0], o = index.slice(1, -1), j = index[index.length - 1];
  const channels = w.shape[w.shape.length - 2], first = Math.floor(j / (w.shape[w.shape.length - 1] / groups)) * channels;
  const taps = window.size.reduce((product, size) => product * size, 1), found = [];
  let padding = 0;
  for (let tap = 0; tap < taps; tap++) {
    const k = new Array(window.size.length);
    for (let i = k.length - 1, rest = tap; i >= 0; i--) {
      k[i] = rest % window.size[i];
      rest = Math.floor(rest / window.size[i]);
    }
    const pixel = o.map((at, i) => at * window.stride[i] + k[i] * window.dilation[i] - window.before[i]);
    if (pixel.some((at, i) => at < 0 || at >= x.shape[i + 1])) {
      padding += channels;
      continue;
    }
    for (let c = 0; c < channels; c++) found.push({ k, c, x: [n, ...pixel, first + c], w: [...k, c, j] });
  }
  return { found, padding };
}

function showPixel(section, step, index, pointAt) {
  const [x, w, b] = step.inputs.map((id) => tape.values[id]), y = tape.values[step.output];
  const { found, padding } = productsOf(step, index), o = index.slice(1, -1), j = index[index.length - 1];
  const [ofX, ofW] = [x, w].map((value) => tape.pictures[value.picture]);
  const known = ofX.whole && ofW.whole;
  section.hidden = false;
  section.replaceChildren();
  node("h3", `${place(y.name, index)}, every way it is computed`, section);
  const ways = node("div", null, section, "ways");

  const loops = way(ways, "Loops", "kernels/naive_conv.py");
  const missing = padding ? `, and ${padding} that meet padding and are left out` : "";
  node("p", `n = ${index[0]}, o = (${o.join(", ")}), j = ${j}; inside them k and c run: ${found.length} products${missing}.`, loops);
  if (!known) node("p", `The arrays are too large for this page; tape.pixel("${y.name}", (${index.join(", ")})) has the numbers.`, loops);
  const table = node("table", null, node("div", null, loops, "products"));
  const head = node("tr", null, node("thead", null, table));
  for (const title of ["k", "c", x.name, w.name, ...(known ? ["product", "sum"] : [])]) node("th", title, head);
  const body = node("tbody", null, table);
  const bias = b && b.shape.length ? elementOf(tape.pictures[b.picture], [j]) : 0;
  let sum = bias === undefined ? 0 : bias;
  found.forEach((product, i) => {
    const factors = known ? [elementOf(ofX, product.x), elementOf(ofW, product.w)] : [];
    if (known) sum += factors[0] * factors[1];
    if (i >= MOST_PRODUCTS) return;
    const row = node("tr", null, body);
    const cells = known ? [...factors, factors[0] * factors[1], sum].map((v) => shown(v, 5)) : [];
    node("td", product.k.join(", "), row);
    node("td", product.c, row);
    if (known) cells.forEach((cell) => node("td", cell, row));
    else [product.x, product.w].forEach((at) => node("td", `[${at.join(", ")}]`, row));
    row.title = `${place(x.name, product.x)} × ${place(w.name, product.w)}`;
    row.addEventListener("pointerenter", () => pointAt([product]));
    row.addEventListener("pointerleave", () => pointAt(found));
  });
  if (found.length > MOST_PRODUCTS) node("p", `… and ${found.length - MOST_PRODUCTS} more`, loops);
  if (known) {
    const foot = node("tr", null, node("tfoot", null, table)), cell = node("td", null, foot);
    cell.colSpan = 6;
    cell.textContent = `${bias ? `with the bias ${shown(bias, 5)}: ` : ""}${shown(sum, 9)}`;
    cell.id = "pixel-sum";
  }

  const { rows, columns, depth } = step.conv.place, number = rowOf(index, y.shape);
  const matrix = way(ways, "One matrix product", "kernels/conv.py");
  node("p", `Row ${number} of the ${rows} patches that im2col lays out, times column ${j} of the ${columns} filters: ${depth} numbers each.`, matrix);
  drawMatrix(matrix, number, rows, j, columns);

  const compiled = way(ways, "Compiled", step.conv.place.kernel === "winograd" ? "fast/cpu/winograd/compiled.py" : "fast/cpu/conv.py");
  node("p", compiledText(step.conv, number, o, j), compiled);
  for (const tiling of step.conv.tilings) {
    const thread = way(ways, `CUDA, ${tiling.name}`, tiling.name === "naive" ? "fast/cuda/naive_conv.py" : "fast/cuda/conv.py");
    node("p", threadText(tiling, number, j, columns, step.conv.groups), thread);
  }
  pointAt(found);
}

function way(ways, title, file) {
  const box = node("div", null, ways, "way"), head = node("h4", `${title} `, box);
  node("code", file, head);
  return box;
}

const rowOf = (index, shape) => flat(index.slice(0, -1), stepsOf(shape.slice(0, -1)));

function compiledText({ place, groups }, row, o, j) {
  if (place.kernel === "winograd") {
    const tile = o.map((at) => Math.floor(at / place.group)), inside = o.map((at) => at % place.group);
    return `Output (${inside.join(", ")}) of the 4×4 of tile (${tile.join(", ")}), which see 6×6 pixels together and cost 36 multiplications a channel instead of 144.`;
  }
  const each = place.columns / groups, column = j % each, panel = Math.floor(column / place.panel);
  const filters = `Panel ${panel} of ${Math.ceil(each / place.panel)} of the filters, lane ${column % place.panel} of ${place.panel}`;
  if (!place.whole) return `${filters}. The picture is large: its borders are read from a copy.`;
  const block = Math.floor(row / place.block), inside = row % place.block;
  return `Block ${block} of ${Math.ceil(place.rows / place.block)}, and in it group ${Math.floor(inside / place.group)}, whose ${place.group} outputs are summed in registers: this one is number ${inside % place.group}. ${filters}.`;
}

function threadText(tiling, row, column, columns, groups) {
  const reads = tiling.reads ? ` It reads ${tiling.reads}.` : "";
  if (tiling.flat) {
    const number = row * columns + column;
    return `Block ${Math.floor(number / tiling.flat)}, thread ${number % tiling.flat}.${reads}`;
  }
  const each = columns / groups, layer = Math.floor(column / each);
  column %= each;
  const down = Math.floor(row / tiling.rows), across = Math.floor(column / tiling.columns);
  const y = Math.floor(row % tiling.rows / tiling.rows_each), x = Math.floor(column % tiling.columns / tiling.columns_each);
  return `Block (x ${down}, y ${across}, z ${layer}), thread (x ${x}, y ${y}).${reads}`;
}

// The product of two matrices, with the row and the column that meet.
function drawMatrix(into, row, rows, column, columns) {
  const wide = 240, high = 96, left = 70, drawing = svg("svg", { viewBox: `0 0 ${wide} ${high}`, width: "100%", style: "max-width:300px;margin-top:.5rem" }, into);
  const box = (x, y, w, h, kind) => svg("rect", { x, y, width: w, height: h, class: kind, rx: 2 }, drawing);
  const style = "fill:none;stroke:var(--soft)", y = 26 + (row / Math.max(rows - 1, 1)) * 62, x = 168 + (column / Math.max(columns - 1, 1)) * 58;
  for (const [bx, by, bw, bh] of [[8, 26, left, 66], [168, 26, 62, 66], [92, 26, 62, 66]]) box(bx, by, bw, bh).setAttribute("style", style);
  box(8, Math.min(y, 90), left, 3).setAttribute("style", "fill:var(--forward)");
  box(92 + (x - 168), 26, 3, 66).setAttribute("style", "fill:var(--backward)");
  box(x, Math.min(y, 90) - 1, 5, 5).setAttribute("style", "fill:var(--ink)");
  for (const [tx, text] of [[43, "patches"], [83, "×"], [123, "filters"], [161, "="], [199, "y"]]) {
    const label = svg("text", { x: tx, y: text.length > 1 || text === "y" ? 18 : 62, "text-anchor": "middle", style: "font-size:11px;fill:var(--soft)" }, drawing);
    label.textContent = text;
  }
}
