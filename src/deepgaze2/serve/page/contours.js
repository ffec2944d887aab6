// Contours of a density: marching squares over the cells' centers.

// By which of a square's corners are above the level (bit 0: top left, then clockwise): the edges
// that the contour joins (0: top, then clockwise), with the higher side on its left. Where opposite
// corners are above it, the mean of the four decides whether they are joined.
const JOINS = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], null, [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], null, [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];
const SADDLES = {
  5: { joined: [[3, 2], [1, 0]], apart: [[3, 0], [1, 2]] },
  10: { joined: [[0, 3], [2, 1]], apart: [[0, 1], [2, 3]] },
};

/**
 * Trace the contours of one level.
 *
 * @param {Float32Array} values row by row
 * @param {number} columns
 * @param {number} rows
 * @param {number} level
 * @returns {{x: number, y: number}[][]} lines, as shares of the image's width and height; a line
 *   is closed where its ends are equal, else it ends at the image's border
 */
export function traceContours(values, columns, rows, level) {
  const next = new Map(); // from each crossed edge to the one that the contour leads to
  const arrived = new Set();
  for (let y = 0; y + 1 < rows; y++) {
    for (let x = 0; x + 1 < columns; x++) {
      const i = y * columns + x;
      const kind =
        (values[i] > level ? 1 : 0) |
        (values[i + 1] > level ? 2 : 0) |
        (values[i + columns + 1] > level ? 4 : 0) |
        (values[i + columns] > level ? 8 : 0);
      if (kind === 0 || kind === 15) continue; // nearly all: no line passes
      for (const [from, to] of JOINS[kind] ?? resolveSaddle(kind, values, i, columns, level)) {
        const end = edgeId(i, to, columns);
        next.set(edgeId(i, from, columns), end);
        arrived.add(end);
      }
    }
  }
  const crossing = (id) => crossingOf(id, values, columns, rows, level);
  const lines = [];
  // Open lines first, from their starts: what then is left are loops.
  for (const start of [...next.keys()].filter((id) => !arrived.has(id)).concat([...next.keys()])) {
    if (!next.has(start)) continue;
    const line = [crossing(start)];
    for (let id = start; next.has(id); ) {
      const end = next.get(id);
      next.delete(id);
      line.push(crossing(end));
      id = end;
    }
    lines.push(line);
  }
  return lines;
}

function resolveSaddle(kind, values, i, columns, level) {
  const sum = values[i] + values[i + 1] + values[i + columns] + values[i + columns + 1];
  return sum / 4 > level ? SADDLES[kind].joined : SADDLES[kind].apart;
}

/** Number the edges: twice the cell at their left or upper end, plus one for vertical ones. */
function edgeId(i, edge, columns) {
  return [2 * i, 2 * (i + 1) + 1, 2 * (i + columns), 2 * i + 1][edge];
}

function crossingOf(id, values, columns, rows, level) {
  const i = id >> 1;
  const vertical = id & 1;
  const from = values[i];
  const share = (level - from) / (values[vertical ? i + columns : i + 1] - from);
  const x = (i % columns) + 0.5 + (vertical ? 0 : share);
  const y = Math.floor(i / columns) + 0.5 + (vertical ? share : 0);
  return { x: x / columns, y: y / rows };
}
