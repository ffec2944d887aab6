// A prediction's density on a grid of equally large cells, blended from its two layers.
//
// The server sends what the image adds (log saliency) and what the center gets anyway (log center
// bias). With a share a of the center bias the density is softmax(saliency + a * center bias).

const RANGE_NATS = 32; // cells that far below the peak hold less than 1e-8 of the mass
const BINS = 1 << 16;
const CONTOURS = 3; // as in the paper's figures

/**
 * Read the server's layers.
 *
 * @param {object} answer of POST /v1/layers
 * @returns {object} the same with `saliency` and `centerBias` as Float32Array, row by row
 */
export function decodeLayers(answer) {
  return {
    model: answer.model,
    width: answer.width,
    height: answer.height,
    columns: answer.grid_width,
    rows: answer.grid_height,
    saliency: decodeFloats(answer.log_saliency),
    centerBias: decodeFloats(answer.log_center_bias),
    centerBiasName: answer.center_bias,
    viewport: answer.viewport,
    notes: answer.notes,
  };
}

/** Read base64 of little-endian float32, the byte order of every machine with a browser. */
export function decodeFloats(base64) {
  return new Float32Array(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
}

/**
 * Blend the layers to a density.
 *
 * @param {object} layers of `decodeLayers`
 * @param {number} share of the center bias, 0..1
 * @returns {{columns, rows, logMass: Float32Array, mass: Float64Array}} nats; mass sums to one
 */
export function blend({ columns, rows, saliency, centerBias }, share) {
  const logits = new Float64Array(saliency.length);
  let peak = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    logits[i] = saliency[i] + share * centerBias[i];
    if (logits[i] > peak) peak = logits[i];
  }
  const mass = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += mass[i] = Math.exp(logits[i] - peak);
  const logTotal = peak + Math.log(total);
  const logMass = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i++) {
    mass[i] /= total;
    logMass[i] = logits[i] - logTotal;
  }
  return { columns, rows, logMass, mass };
}

/** Return the center bias alone as a density, whatever the image shows. */
export function centerBiasAlone(layers) {
  return blend({ ...layers, saliency: new Float32Array(layers.saliency.length) }, 1);
}

/**
 * Rank cells by how much mass lies at lower densities.
 *
 * Bins of half a millinat take the place of a sort, which would be too slow to follow a slider.
 *
 * @param {object} density of `blend`
 * @returns {{ranks: Float32Array, levels: number[]}} ranks 0..1, where cells of one density share
 *   one; log masses of the contours that cut the mass into equal parts, ascending
 */
export function rankMass({ logMass, mass }) {
  let peak = -Infinity;
  for (const value of logMass) if (value > peak) peak = value;
  const perNat = (BINS - 1) / RANGE_NATS;
  const bin = new Uint16Array(logMass.length);
  const massOf = new Float64Array(BINS);
  for (let i = 0; i < bin.length; i++) {
    bin[i] = Math.max(0, Math.round((logMass[i] - peak + RANGE_NATS) * perNat));
    massOf[bin[i]] += mass[i];
  }
  const rankOf = new Float32Array(BINS);
  const levels = [];
  let below = 0;
  for (let b = 0; b < BINS; b++) {
    rankOf[b] = below + massOf[b] / 2;
    below += massOf[b];
    while (levels.length < CONTOURS && below >= (levels.length + 1) / (CONTOURS + 1)) {
      levels.push(peak - RANGE_NATS + b / perNat);
    }
  }
  const ranks = new Float32Array(bin.length); // a loop takes a tenth of the time of `from`
  for (let i = 0; i < bin.length; i++) ranks[i] = rankOf[bin[i]];
  return { ranks, levels };
}
