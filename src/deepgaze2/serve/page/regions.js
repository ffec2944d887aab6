// Regions: rectangles in shares of the image's width and height, so that they fit variants of a
// design in any size.

const SMALLEST = 0.005;

/** Return a rectangle moved by shares of the image, kept inside. */
export function moved({ x, y, width, height }, dx, dy) {
  return { x: clamp(x + dx, 0, 1 - width), y: clamp(y + dy, 0, 1 - height), width, height };
}

/**
 * Return a rectangle with some of its edges moved, kept inside and not turned over.
 *
 * @param {object} rectangle
 * @param {string} edges any of the letters n, e, s and w
 */
export function resized({ x, y, width, height }, edges, dx, dy) {
  let right = x + width;
  let bottom = y + height;
  if (edges.includes("w")) x = clamp(x + dx, 0, right - SMALLEST);
  if (edges.includes("e")) right = clamp(right + dx, x + SMALLEST, 1);
  if (edges.includes("n")) y = clamp(y + dy, 0, bottom - SMALLEST);
  if (edges.includes("s")) bottom = clamp(bottom + dy, y + SMALLEST, 1);
  return { x, y, width: right - x, height: bottom - y };
}

/** Return the rectangle between two points, cut at the image's border. */
export function between(a, b) {
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)].map((v) => clamp(v, 0, 1));
  const [right, bottom] = [Math.max(a.x, b.x), Math.max(a.y, b.y)].map((v) => clamp(v, 0, 1));
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * Sum a density over all cells left of and above each corner, so that any rectangle's mass
 * takes four look-ups: fast enough to follow a drag.
 *
 * @returns {{columns, rows, sums: Float64Array}} sums of (rows + 1) by (columns + 1) corners
 */
export function accumulate({ columns, rows, mass }) {
  const stride = columns + 1;
  const sums = new Float64Array(stride * (rows + 1));
  for (let y = 0; y < rows; y++) {
    let row = 0;
    for (let x = 0; x < columns; x++) {
      row += mass[y * columns + x];
      sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
    }
  }
  return { columns, rows, sums };
}

/** Return the share of fixations in a rectangle; cells count by their covered area. */
export function rectangleMass(accumulated, { x, y, width, height }) {
  const upTo = (right, bottom) => cornerMass(accumulated, right, bottom);
  const [right, bottom] = [x + width, y + height];
  const mass = upTo(right, bottom) - upTo(x, bottom) - upTo(right, y) + upTo(x, y);
  return Math.max(0, mass);
}

/** Return the mass left of and above a point: between corners it is bilinear, exactly. */
function cornerMass({ columns, rows, sums }, x, y) {
  const [u, v] = [clamp(x, 0, 1) * columns, clamp(y, 0, 1) * rows];
  const left = Math.min(Math.floor(u), columns - 1);
  const top = Math.min(Math.floor(v), rows - 1);
  const at = (dx, dy) => sums[(top + dy) * (columns + 1) + left + dx];
  const [a, b] = [u - left, v - top];
  return (1 - b) * ((1 - a) * at(0, 0) + a * at(1, 0)) + b * ((1 - a) * at(0, 1) + a * at(1, 1));
}

/** Return a region as the server and the command line read it: name:x,y,width,height. */
export function regionText(region, imageWidth, imageHeight) {
  const { x, y, width, height } = region;
  const numbers = [x * imageWidth, y * imageHeight, width * imageWidth, height * imageHeight];
  return `${region.name}:${numbers.join(",")}`;
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
