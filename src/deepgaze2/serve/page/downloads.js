// Downloads: what is shown as PNG or SVG, and the server's log density and numbers.

import { announce, byId, element, keepChildren, percent } from "./dom.js";
import { isTall, viewportOf } from "./images.js";
import { CANVAS_MAX_PX, paint, paintRegions } from "./picture.js";
import { regionText } from "./regions.js";
import { fetchPrediction } from "./server.js";
import { shownImages, state } from "./store.js";
import { panelSvg } from "./svg.js";

const PICTURE_PX = { smallest: 1200, largest: 2048 }; // longer side

/** Offer what can be saved; the server's files once for each variant. */
export function showDownloads() {
  const images = shownImages();
  const each = (format, content, save) =>
    images.map((image, i) => {
      const variant = state.comparing ? ` of ${"AB"[i]}` : "";
      return { id: `${format}${variant}`, content, save: () => save(image) };
    });
  const items = [
    { id: "PNG", content: "as shown", save: savePng },
    { id: "SVG", content: "panel", save: saveSvg },
    ...each("npy", "log density", saveNpy),
    ...each("JSON", "numbers", saveJson),
  ];
  const ready = images.length > 0 && images.every(({ layers }) => layers);
  keepChildren(byId("download-buttons"), items, makeButton, (item, button) => {
    button.onclick = () => run(button, item.save);
    button.disabled = !ready;
  });
  byId("download-note").hidden = state.centerBiasShare === 1;
}

function makeButton({ id, content }) {
  return element("button", { type: "button" }, `${id} `, element("small", {}, content));
}

/** Save, and say what went wrong; a second click meanwhile does nothing. */
async function run(button, saveIt) {
  if (button.ariaBusy === "true") return;
  const problem = byId("download-problem");
  problem.hidden = true;
  button.ariaBusy = "true";
  try {
    announce(`Saved ${await saveIt()}`);
  } catch (error) {
    problem.textContent = `${error.message}. ${error.detail ?? ""}`;
    problem.hidden = false;
  }
  button.ariaBusy = "false";
}

/** Save what is shown, with the regions; two variants stand side by side. */
async function savePng() {
  const pictures = shownImages().map((image) => {
    const context = pictureSized(image).getContext("2d");
    paint(context, image);
    paintRegions(context, image, percent);
    return context.canvas;
  });
  const height = Math.min(...pictures.map((picture) => picture.height));
  const widths = pictures.map((picture) => Math.round((picture.width * height) / picture.height));
  const gap = Math.round(height / 50);
  const all = new OffscreenCanvas(
    widths.reduce((sum, width) => sum + width, gap * (widths.length - 1)),
    height,
  );
  const context = all.getContext("2d");
  let left = 0;
  pictures.forEach((picture, i) => {
    context.drawImage(picture, left, 0, widths[i], height);
    left += widths[i] + gap;
  });
  return save(await all.convertToBlob({ type: "image/png" }), fileName(`${state.view}.png`));
}

/** Save a panel in vectors: photo, prediction and the regions with their numbers. */
async function saveSvg() {
  const svg = await panelSvg(shownImages());
  return save(new Blob([svg], { type: "image/svg+xml" }), fileName("panel.svg"));
}

/** Save the log density, at the image's size and with the full center bias. */
async function saveNpy(image) {
  return save(await fetchPrediction(image.file, viewportOf(image), "npy"), `${stem(image)}.npy`);
}

/** Save the prediction's and the regions' numbers, with the full center bias. */
async function saveJson(image) {
  const { width, height } = image.layers;
  const texts = state.regions.map((region) => regionText(region, width, height));
  const numbers = await fetchPrediction(image.file, viewportOf(image), "json", texts);
  return save(numbers, `${stem(image)}.json`);
}

function pictureSized(image) {
  const { width, height } = image.layers;
  const longer = Math.max(width, height);
  const wanted = Math.min(Math.max(longer, PICTURE_PX.smallest), PICTURE_PX.largest);
  const page = Math.min(1, PICTURE_PX.largest / Math.sqrt(width * height), CANVAS_MAX_PX / longer);
  const scale = isTall(image) ? page : wanted / longer;
  const size = (side) => Math.max(1, Math.round(image.layers[side] * scale));
  return new OffscreenCanvas(size("width"), size("height"));
}

function fileName(ending) {
  return `${shownImages().map(stem).join("_vs_")}_${ending}`;
}

function stem({ name }) {
  return name.replace(/\.[^.]*$/, "") || "image";
}

/** Hand a file to the browser; return its name. */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // long after the browser has read it
  return name;
}
