// An image's prediction with the share of center bias that is shown now.

import { traceContours } from "./contours.js";
import { blend, centerBiasAlone, rankMass } from "./density.js";
import { percent } from "./dom.js";
import { sampleFixations } from "./fixations.js";
import { accumulate, rectangleMass } from "./regions.js";
import { state } from "./store.js";

const FIXATIONS = 100; // as in the library's panel

/** Return an image's prediction; only what the state asks for is computed anew. */
export function predictionOf(image) {
  if (image.prediction?.centerBiasShare !== state.centerBiasShare) {
    image.prediction = new Prediction(image.layers, state.centerBiasShare);
  }
  return image.prediction;
}

/** Return the share of fixations that the center bias alone gives a region. */
export function centerBiasMass(image, region) {
  image.centerBias ??= accumulate(centerBiasAlone(image.layers));
  return rectangleMass(image.centerBias, region);
}

/** Return a region's numbers in a sentence. */
export function describeRegion(image, region) {
  const share = percent(predictionOf(image).mass(region));
  const alone = percent(centerBiasMass(image, region));
  return `${region.name}: ${share} of fixations, ${alone} under the center bias alone`;
}

class Prediction {
  #ranked = null;
  #contours = null;
  #accumulated = null;
  #fixations = null;

  constructor(layers, centerBiasShare) {
    this.centerBiasShare = centerBiasShare;
    this.density = blend(layers, centerBiasShare);
  }

  /** Mass ranks and contour levels, see `density.rankMass`. */
  get ranked() {
    return (this.#ranked ??= rankMass(this.density));
  }

  /** The lines of each contour, the outermost contour first. */
  get contours() {
    const { columns, rows, logMass } = this.density;
    return (this.#contours ??= this.ranked.levels.map((level) =>
      traceContours(logMass, columns, rows, level),
    ));
  }

  /** Expected share of fixations in a region. */
  mass(region) {
    this.#accumulated ??= accumulate(this.density);
    return rectangleMass(this.#accumulated, region);
  }

  fixations(seed) {
    if (this.#fixations?.seed !== seed) {
      this.#fixations = { seed, points: sampleFixations(this.density, FIXATIONS, seed) };
    }
    return this.#fixations.points;
  }
}
