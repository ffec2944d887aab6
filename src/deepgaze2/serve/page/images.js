// The images that the reader brought: read, shown, and predicted one after the other.

import { decodeLayers } from "./density.js";
import { CANVAS_MAX_PX } from "./picture.js";
import { fetchLayers, Problem } from "./server.js";
import { changed, imageById, state } from "./store.js";

const PHOTO_MAX_PX = 2048; // longer side of the photo that is kept for painting; see readPhoto
const TALL = 1 / 3; // width over height of what the server may take for a page
let lastId = 0;
let queue = Promise.resolve(); // the server computes one image at a time, so ask in turn

/**
 * Add image files; the first of them is shown, or becomes variant B when comparing.
 *
 * An image is {id, file, name, photo, width, aspect, turn, status, problem, layers, seconds}:
 * `status` is waiting, predicting, ready or failed, `aspect` its width over its height, `turn` how
 * often it was queued.
 */
export function addFiles(files) {
  const added = Array.from(files, (file) => ({
    id: (lastId += 1),
    file,
    name: file.name || "Pasted image",
    status: "waiting",
  }));
  if (!added.length) return;
  state.images.push(...added);
  added.forEach(start);
  if (state.comparing) state.other = added[0].id;
  else state.shown = added[0].id;
  changed();
}

/** Predict an image again, after what was in the way is gone. */
export function retry(image) {
  image.status = "waiting";
  image.problem = null;
  start(image);
  changed();
}

/** Return whether an image is so high that it may be a page that is scrolled. */
export function isTall({ aspect }) {
  return aspect < TALL;
}

/** Return what is asked of the server as an image's viewport. */
export function viewportOf(image) {
  const isHeight = isTall(image) && Number.isFinite(state.screens);
  if (isHeight) return `${image.width}x${state.screens}`;
  return state.screens === "none" && isTall(image) ? "none" : "auto";
}

/** Predict all images again, as with another model, or some of them. */
export function predictAllAgain(isMeant = () => true) {
  for (const image of state.images.filter((image) => image.photo && isMeant(image))) {
    image.abort?.abort();
    image.layers = image.prediction = image.centerBias = null;
    retry(image);
  }
}

export function remove(image) {
  image.abort?.abort();
  const index = state.images.indexOf(image);
  state.images.splice(index, 1);
  const neighbor = state.images[Math.min(index, state.images.length - 1)]?.id ?? null;
  if (state.shown === image.id) state.shown = neighbor;
  if (state.other === image.id || state.other === state.shown) chooseOther();
  if (!state.images.length) state.comparing = false;
  changed();
}

/** Compare with a variant: any that is not variant A, or none as long as there is no other. */
export function compare() {
  state.comparing = true;
  if (!imageById(state.other) || state.other === state.shown) chooseOther();
  changed();
}

function chooseOther() {
  state.other = state.images.find(({ id }) => id !== state.shown)?.id ?? null;
}

/** Show the photo at once, and predict it when those before it are done. */
function start(image) {
  const turn = (image.turn = (image.turn ?? 0) + 1);
  const shown = image.photo ?? readPhoto(image).catch((error) => fail(image, error));
  queue = queue.then(() => shown).then(() => image.turn === turn && predict(image));
}

async function predict(image) {
  if (image.status === "failed" || !imageById(image.id)) return; // or removed while it waited
  image.status = "predicting";
  image.abort = new AbortController();
  changed();
  const begin = performance.now();
  try {
    image.layers = decodeLayers(
      await fetchLayers(image.file, viewportOf(image), image.abort.signal),
    );
    image.seconds = (performance.now() - begin) / 1000;
    image.status = "ready";
    changed();
  } catch (error) {
    if (error.name !== "AbortError") fail(image, error);
  }
}

function fail(image, error) {
  image.status = "failed";
  image.problem = error;
  changed();
}

/**
 * Decode the photo, upright and no larger than is painted, so that painting stays fast.
 *
 * A page keeps as many pixels as a square of that side, so that one can read it.
 */
async function readPhoto(image) {
  const element = new Image();
  element.src = URL.createObjectURL(image.file);
  await element.decode().catch(() => {}); // then its width stays 0
  URL.revokeObjectURL(element.src);
  const { naturalWidth: width, naturalHeight: height } = element;
  if (!width || !height) {
    throw new Problem(
      `${image.name} is not an image that this browser can show`,
      "Choose a JPEG, PNG, WebP or GIF file.",
    );
  }
  image.width = width;
  image.aspect = width / height;
  const side = isTall(image) ? Math.sqrt(width * height) : Math.max(width, height);
  const scale = Math.min(1, PHOTO_MAX_PX / side, CANVAS_MAX_PX / height);
  image.photo = await createImageBitmap(element, {
    resizeWidth: Math.max(1, Math.round(width * scale)),
    resizeHeight: Math.max(1, Math.round(height * scale)),
    resizeQuality: "high",
  });
  changed();
}
