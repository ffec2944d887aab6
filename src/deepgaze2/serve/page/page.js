// The page: what its controls do, and what of it is shown when.

import { PALETTE } from "./colors.js";
import { announce, byId, element } from "./dom.js";
import { showDownloads } from "./downloads.js";
import { addRegion } from "./editor.js";
import { predictAllAgain } from "./images.js";
import { chooseFiles, showExamples, takeFiles } from "./intake.js";
import { createPane } from "./pane.js";
import { showScreens, startScreens } from "./screens.js";
import { fetchModels } from "./server.js";
import { changed, imageById, onChange, shownImages, state } from "./store.js";
import { showStrip, startStrip } from "./strip.js";
import { readPosition, showTable } from "./table.js";

const panes = [createPane("A"), createPane("B")];
byId("panes").append(...panes.map(({ root }) => root));

/** Do something at an element's event and show what it changed. */
function on(id, event, change) {
  byId(id).addEventListener(event, ({ target }) => {
    change(target);
    changed();
  });
}

function startControls() {
  on("choose", "click", chooseFiles);
  on("add-images", "click", chooseFiles);
  on("views", "change", ({ value }) => (state.view = value));
  on("opacity", "input", ({ valueAsNumber }) => (state.opacity = valueAsNumber / 100));
  on("center-bias", "input", ({ valueAsNumber }) => (state.centerBiasShare = valueAsNumber / 100));
  on("draw-others", "click", () => (state.seed += 1));
  on("draw-region", "click", () => (state.drawing = !state.drawing));
  on("add-region", "click", addAndFocus);
  on("position", "change", readPosition);
  on("model", "change", ({ value }) => {
    state.model = value;
    predictAllAgain();
  });
}

/** Add a region and take the keyboard to it, once it is there. */
function addAndFocus() {
  const { id } = addRegion();
  requestAnimationFrame(() => document.querySelector(`.region[data-id="${id}"]`)?.focus());
}

function show() {
  const empty = state.images.length === 0;
  byId("start").hidden = !empty;
  byId("workspace").hidden = empty;
  if (empty) return;
  byId("panes").classList.toggle("comparing", state.comparing);
  const ids = [state.shown, state.comparing ? state.other : null];
  panes.forEach((pane, i) => pane.show(imageById(ids[i]), i === 1 && state.comparing));
  byId("key").style.setProperty("--aspect", imageById(state.shown).aspect ?? null);
  showStrip();
  showControls();
  showScreens();
  showTable();
  showDownloads();
  announceStatus();
}

function showControls() {
  showSlider("opacity", state.opacity);
  showSlider("center-bias", state.centerBiasShare);
  byId("opacity").disabled = state.view === "image";
  byId("draw-region").setAttribute("aria-pressed", state.drawing);
  for (const part of byId("key").children) part.hidden = part.dataset.view !== state.view;
}

function showSlider(id, share) {
  const text = `${Math.round(100 * share)}%`;
  byId(`${id}-value`).textContent = text;
  byId(id).setAttribute("aria-valuetext", text);
}

let announced = "";

/** Say when what is shown is being predicted, and when it is there. */
function announceStatus() {
  const words = { predicting: "Predicting", ready: "Prediction shown for" };
  const texts = shownImages().map(({ name, status }) => status in words && `${words[status]} ${name}`);
  const text = texts.filter(Boolean).join(". ");
  if (text !== announced) announce(text);
  announced = text;
}

function paintKey() {
  const context = byId("colors").getContext("2d");
  const line = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) line.data.set([...PALETTE.slice(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(line, 0, 0);
}

/** Ask the server what it has; without it the page cannot work, so say why. */
async function askServer() {
  const banner = byId("banner");
  try {
    const { models, default: preset } = await fetchModels();
    byId("model").replaceChildren(
      ...models.map(({ name }) => element("option", { selected: name === preset }, name)),
    );
    byId("model-choice").hidden = models.length < 2;
    await showExamples();
    banner.hidden = true;
  } catch (error) {
    const again = element("button", { type: "button", onclick: askServer }, "Try again");
    banner.replaceChildren(
      element("strong", {}, error.message),
      element("span", {}, error.detail ?? ""),
      again,
    );
    banner.hidden = false;
  }
}

paintKey();
startControls();
startStrip();
startScreens();
takeFiles();
onChange(show);
askServer();
