// The recorded arrays: whole ones number by number, large ones as cells that each stand for several.
"use strict";

const tape = JSON.parse(document.getElementById("tape").textContent);

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// The numbers of an array that is here whole, in C order; null for one that is not.
function numbersOf(picture) {
  if (picture.numbers === undefined && picture.whole) {
    const view = new DataView(bytesOf(picture.whole).buffer), wide = picture.bytes;
    picture.numbers = Array.from({ length: view.byteLength / wide }, (_, i) =>
      wide === 8 ? view.getFloat64(i * 8, true) : view.getFloat32(i * 4, true));
  }
  return picture.numbers || null;
}

// An array as tiles of rows × columns, along the two axes of its plane.
// Each tile: where it begins in the array, and value(row, column); cells of cut arrays stand for several elements.
function tilesOf(picture) {
  if (picture.tiles) return picture.tiles;
  const shape = picture.shape, axes = shape.length, numbers = numbersOf(picture);
  const [down, across] = picture.plane;
  const rows = axes >= 2 ? shape[down] : 1, columns = axes >= 1 ? shape[axes === 1 ? 0 : across] : 1;
  const index = (base, row, column) => {
    const place = base.slice();
    if (axes >= 2) place[down] = row;
    if (axes >= 1) place[axes === 1 ? 0 : across] = column;
    return place;
  };
  if (!numbers) {
    const cells = bytesOf(picture.cells), [high, wide] = picture.grid;
    picture.tiles = picture.starts.map((base, t) => ({
      base, rows: high, columns: wide,
      index: (row, column) => index(base, picture.rows[row], picture.columns[column]),
      value: (row, column) => {
        const cell = cells[(t * high + row) * wide + column];
        return cell === 255 ? NaN : (cell - 127) / 127 * picture.scale;
      },
    }));
    return picture.tiles;
  }
  const steps = stepsOf(shape), others = shape.map((_, i) => i).filter((i) => axes > 1 && i !== down && i !== across);
  const count = others.reduce((product, i) => product * shape[i], 1);
  picture.tiles = Array.from({ length: axes > 1 ? count : 1 }, (_, t) => {
    const base = new Array(axes).fill(0);
    for (let i = others.length - 1, rest = t; i >= 0; i--) {
      base[others[i]] = rest % shape[others[i]];
      rest = Math.floor(rest / shape[others[i]]);
    }
    return {
      base, rows, columns, index: (row, column) => index(base, row, column),
      value: (row, column) => numbers[flat(index(base, row, column), steps)],
    };
  });
  return picture.tiles;
}

function stepsOf(shape) {
  const steps = new Array(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) steps[i] = steps[i + 1] * shape[i + 1];
  return steps;
}

const flat = (index, steps) => index.reduce((sum, i, axis) => sum + i * steps[axis], 0);

// One element of an array, or undefined where only cells of it are here.
function elementOf(picture, index) {
  const numbers = numbersOf(picture);
  return numbers ? numbers[flat(index, stepsOf(picture.shape))] : undefined;
}

const shown = (value, digits = 6) =>
  (Number.isFinite(value) ? plain(value, digits) : String(value)).replaceAll("-", "−");
const plain = (value, digits) =>
  value && Math.abs(value) < 1e-4 ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
const place = (name, index) => index.length ? `${name}[${index.join(", ")}]` : name;
const shapeText = (shape) => shape.length ? `(${shape.join(", ")}${shape.length === 1 ? "," : ""})` : "scalar";
