// Fixations sampled from a density: where people might look, one point each.

/**
 * Draw fixations independently from a density.
 *
 * Rows first, then columns, always with the same random numbers: so the points move little when
 * the density does, and the first m of n points are those of a smaller sample.
 *
 * @param {object} density of `density.blend`
 * @param {number} n
 * @param {number} seed the same seed draws the same fixations
 * @returns {{x: number, y: number}[]} as shares of the image's width and height
 */
export function sampleFixations({ columns, rows, mass }, n, seed) {
  const random = randomNumbers(seed);
  const rowEnds = cumulative(rows, (y) => {
    let sum = 0;
    for (let x = 0; x < columns; x++) sum += mass[y * columns + x];
    return sum;
  });
  const endsWithin = new Map();
  const fixations = [];
  for (let i = 0; i < n; i++) {
    const row = firstAbove(rowEnds, random());
    if (!endsWithin.has(row)) {
      endsWithin.set(row, cumulative(columns, (x) => mass[row * columns + x]));
    }
    const column = firstAbove(endsWithin.get(row), random());
    fixations.push({ x: (column + random()) / columns, y: (row + random()) / rows });
  }
  return fixations;
}

/** Return a function that gives numbers in [0, 1): a Weyl sequence, its bits well mixed. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}

function cumulative(length, value) {
  const ends = new Float64Array(length);
  let sum = 0;
  for (let i = 0; i < length; i++) ends[i] = sum += value(i);
  return ends;
}

function firstAbove(ends, share) {
  const target = share * ends[ends.length - 1];
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > target) high = middle;
    else low = middle + 1;
  }
  return low;
}
