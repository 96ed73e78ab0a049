// Heat maps: a canvas for an array, of tiles side by side. Blue is below zero, orange above; zero is the paper.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const GAP = 5, MOST_TILES = 72, FONT = "10.5px system-ui, sans-serif", AROUND = 8;
const ruler = document.createElement("canvas").getContext("2d");

function colour(share) {  // of the largest magnitude, −1 … 1
  if (Number.isNaN(share)) return dark.matches ? "#b23ab2" : "#d54fd5";
  const zero = dark.matches ? [34, 38, 45] : [244, 241, 235];
  const end = share < 0 ? (dark.matches ? [94, 176, 239] : [23, 92, 148]) : (dark.matches ? [255, 150, 84] : [196, 78, 22]);
  const weight = Math.pow(Math.min(Math.abs(share), 1), 0.7);  // so that small ones are seen, too
  return `rgb(${zero.map((from, i) => Math.round(from + (end[i] - from) * weight)).join(",")})`;
}

// How tiles lie on a canvas that may be so wide: cells as large as fit, with numbers in them where there is room.
function layoutOf(tiles, width) {
  const { rows, columns } = tiles[0], count = Math.min(tiles.length, MOST_TILES);
  const few = count * rows * columns <= 160 && rows <= 16;
  const digits = few && [3, 2].find((digits) => columns * widest(tiles, count, digits) <= width), roomy = Boolean(digits);
  const target = count === 1 ? 300 : count <= 4 ? 150 : count <= 12 ? 104 : 64;
  let cell = roomy ? Math.max(40, widest(tiles, count, digits)) : Math.max(1, Math.min(count > 24 ? 10 : 22, Math.floor(target / Math.max(rows, columns))));
  const high = roomy ? 22 : cell;
  if (columns * cell > width) cell = width / columns;
  const along = Math.max(1, Math.min(count, Math.floor((width + GAP) / (columns * cell + GAP)), count <= 12 ? 4 : 99));
  const lines = Math.ceil(count / along);
  return {
    cell, high, along, count, roomy, digits,
    width: Math.ceil(along * (columns * cell + GAP) - GAP), height: Math.ceil(lines * (rows * high + GAP) - GAP),
    corner: (t) => [(t % along) * (columns * cell + GAP), Math.floor(t / along) * (rows * high + GAP)],
  };
}

// The width of a cell that its number does not fill, whichever it is.
function widest(tiles, count, digits) {
  ruler.font = FONT;
  let found = 0;
  for (const { rows, columns, value } of tiles.slice(0, count)) {
    for (let at = 0; at < rows * columns; at++) {
      found = Math.max(found, ruler.measureText(short(value(Math.floor(at / columns), at % columns), digits)).width);
    }
  }
  return Math.ceil(found) + AROUND;
}

// A heat map of a picture. chosen(tile, row, column) is called when a cell is clicked; marks(tile, row, column) gives a
// colour for the cells that are framed.
function heatMap(picture, chosen) {
  const canvas = document.createElement("canvas"), tiles = tilesOf(picture);
  const map = { canvas, picture, selected: null, marks: null, draw, select, move };
  let layout = null;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");

  function draw(width) {
    if (width) layout = layoutOf(tiles, width);
    const sharp = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
    canvas.width = layout.width * sharp;
    canvas.height = layout.height * sharp;
    canvas.style.width = `${layout.width}px`;
    pen.scale(sharp, sharp);
    pen.font = FONT;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const largest = picture.scale || 1, ink = getComputedStyle(document.body).color;
    for (let t = 0; t < layout.count; t++) {
      const [left, top] = layout.corner(t), tile = tiles[t];
      for (let row = 0; row < tile.rows; row++) {
        for (let column = 0; column < tile.columns; column++) {
          const value = tile.value(row, column), x = left + column * layout.cell, y = top + row * layout.high;
          pen.fillStyle = colour(value / largest);
          pen.fillRect(x, y, Math.ceil(layout.cell) === layout.cell ? layout.cell : layout.cell + .5, layout.high);
          if (layout.roomy) {
            const strong = Math.abs(value / largest) > .45;
            pen.fillStyle = strong ? (dark.matches ? "#111" : "#fff") : ink;
            pen.fillText(short(value, layout.digits), x + layout.cell / 2, y + layout.high / 2 + .5);
          }
        }
      }
      if (map.marks) frame(pen, t, map.marks);
    }
    if (map.selected) {
      const { tile, row, column } = map.selected, [left, top] = layout.corner(tile);
      outline(pen, left + column * layout.cell, top + row * layout.high, 2.5);
    }
  }

  function frame(pen, t, marks) {
    const [left, top] = layout.corner(t), tile = tiles[t];
    for (let row = 0; row < tile.rows; row++) {
      for (let column = 0; column < tile.columns; column++) {
        const weight = marks(tile.index(row, column));
        if (weight) outline(pen, left + column * layout.cell, top + row * layout.high, weight);
      }
    }
  }

  function outline(pen, x, y, weight) {
    const wide = Math.max(layout.cell, 4), high = Math.max(layout.high, 4);
    pen.strokeStyle = dark.matches ? "#fff" : "#111";
    pen.lineWidth = weight;
    pen.strokeRect(x + weight / 2, y + weight / 2, wide - weight, high - weight);
  }

  function select(tile, row, column) {
    map.selected = { tile, row, column };
    draw();
    chosen(map, tiles[tile].index(row, column), tiles[tile].value(row, column));
  }

  function move(down, across) {
    const { tile, row, column } = map.selected || { tile: 0, row: 0, column: 0 };
    const clamp = (value, size) => Math.min(Math.max(value, 0), size - 1);
    select(tile, clamp(row + down, tiles[tile].rows), clamp(column + across, tiles[tile].columns));
  }

  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect(), scale = layout.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    for (let t = 0; t < layout.count; t++) {
      const [left, top] = layout.corner(t), column = Math.floor((x - left) / layout.cell), row = Math.floor((y - top) / layout.high);
      if (row >= 0 && column >= 0 && row < tiles[t].rows && column < tiles[t].columns) return select(t, row, column);
    }
    return undefined;
  });
  return map;
}

// A number in five letters or so.
function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return value.toExponential(0).replace("-", "−").replace("e-", "e−").replace("e+", "e");
  const text = String(Number(value.toPrecision(digits)));
  return (text.length > 6 ? String(Number(value.toPrecision(2))) : text).replace("-", "−").replace("0.", size < .1 ? "." : "0.");
}
