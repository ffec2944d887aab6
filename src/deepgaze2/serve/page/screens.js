// Long pages: whether they are seen a screen at a time, and how high a screen is.

import { byId } from "./dom.js";
import { isTall, predictAllAgain } from "./images.js";
import { changed, shownImages, state } from "./store.js";

export function startScreens() {
  byId("seen").addEventListener("change", ({ target }) => {
    if (target.name === "seen") see(target.value);
    else if (target.reportValidity() && target.value) see(target.valueAsNumber);
  });
}

function see(screens) {
  state.screens = screens;
  predictAllAgain(isTall);
  changed();
}

/** Offer the choice where a page is shown, and say what was guessed of images or is doubtful. */
export function showScreens() {
  const page = shownImages().find(isTall);
  byId("screens").hidden = !page;
  if (page) showChoice(page);
  const notes = shownImages().flatMap(({ name, layers }) =>
    (layers?.notes ?? []).map((note) => `${name}: ${note}.`),
  );
  byId("notes").hidden = notes.length === 0;
  const text = notes.join(" ");
  if (byId("notes").textContent !== text) byId("notes").textContent = text;
}

function showChoice({ width, layers }) {
  const isWhole = layers ? layers.viewport === "none" : state.screens === "none";
  const value = isWhole ? "none" : "auto";
  for (const choice of byId("seen").querySelectorAll("input[type=radio]")) {
    choice.checked = choice.value === value;
  }
  const height = byId("screen-height");
  [height.min, height.max] = [Math.ceil(width / 4), 4 * width];
  if (document.activeElement === height) return;
  if (layers) height.value = isWhole ? "" : layers.viewport.split("x")[1];
}
