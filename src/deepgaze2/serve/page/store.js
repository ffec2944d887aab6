// What the page shows. Modules change `state` and call `changed`; those that show it listen.

export const state = {
  model: null, // name, once the reader chose one; else the server's default
  images: [], // see images.js
  shown: null, // id of the image shown, variant A when comparing
  other: null, // id of variant B
  comparing: false,
  view: "heat", // or contours, fixations, image
  opacity: 0.75,
  centerBiasShare: 1,
  screens: "auto", // long pages are seen by screens of a guessed height, or of this one, or "none"
  seed: 0, // of the sampled fixations
  regions: [], // {id, name, x, y, width, height}, in shares of the image's width and height
  selected: null, // id of a region
  drawing: false, // the next touch draws a region instead of scrolling
};

const listeners = [];
let scheduled = false;

export function onChange(listener) {
  listeners.push(listener);
}

/** Show the state soon: once per frame, however often it changes in between. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener();
  });
}

export function imageById(id) {
  return state.images.find((image) => image.id === id) ?? null;
}

/** Return the images shown: one, or both variants. */
export function shownImages() {
  const ids = state.comparing ? [state.shown, state.other] : [state.shown];
  return ids.map(imageById).filter(Boolean);
}

export function selectedRegion() {
  return state.regions.find((region) => region.id === state.selected) ?? null;
}
