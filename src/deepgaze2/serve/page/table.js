// The table of regions: names, shares and, when comparing, differences.

import { byId, element, keepChildren, percent } from "./dom.js";
import { changeRegion, deleteRegion } from "./editor.js";
import { centerBiasMass, predictionOf } from "./prediction.js";
import { changed, selectedRegion, shownImages, state } from "./store.js";

const SIDES = { x: "width", y: "height", width: "width", height: "height" };

/** Return the columns' titles, or those of a comparison. */
export function columnTitles() {
  if (state.comparing) return ["Region", "A", "B", "B − A"];
  return ["Region", "Fixations", "Center bias alone", "Ratio"];
}

/**
 * Return a region's numbers as text, one entry for each column after its name.
 *
 * @returns {{text: string, notes?: string[]}[]}
 */
export function regionCells(region) {
  const images = shownImages();
  const numbers = images.map((image) => {
    if (!image.layers) return { missing: { text: image.status === "failed" ? "–" : "…" } };
    const share = predictionOf(image).mass(region);
    const alone = centerBiasMass(image, region);
    return { share, alone, ratio: alone > 0 ? (share / alone).toFixed(2) : "–" };
  });
  if (!state.comparing) {
    const [{ missing, share, alone, ratio }] = numbers;
    if (missing) return [missing, missing, missing];
    return [percent(share), percent(alone), ratio].map((text) => ({ text }));
  }
  const [a, b = { missing: { text: "–" } }] = numbers;
  const cells = [a, b].map(({ missing, share, alone, ratio }) => {
    return missing ?? { text: percent(share), notes: [`center ${percent(alone)}`, `ratio ${ratio}`] };
  });
  const missing = a.missing ?? b.missing;
  return [...cells, missing ?? { text: points(b.share - a.share), notes: ["points"] }];
}

/** Return a difference of shares in percentage points, with its sign. */
function points(difference) {
  const text = (100 * Math.abs(difference)).toFixed(1);
  const sign = text === "0.0" ? "±" : difference > 0 ? "+" : "−";
  return `${sign}${text}`;
}

export function showTable() {
  const none = state.regions.length === 0;
  byId("no-regions").hidden = !none;
  byId("region-table").hidden = none;
  byId("region-columns").replaceChildren(
    ...columnTitles().map((title) => element("th", { scope: "col" }, title)),
    element("td"),
  );
  keepChildren(byId("region-rows"), state.regions, makeRow, showRow);
  showPosition();
}

function makeRow(region) {
  const name = element("input", {
    type: "text",
    maxLength: 60,
    autocomplete: "off",
    spellcheck: false,
    onfocus: () => select(region),
    oninput: ({ target }) => {
      region.name = target.value.trim() || "Region";
      changed();
    },
    onblur: ({ target }) => (target.value = region.name),
  });
  const remove = element("button", {
    type: "button",
    class: "quiet",
    onclick: () => {
      deleteRegion(region);
      byId("add-region").focus();
    },
  });
  remove.append(element("span", { "aria-hidden": "true" }, "×"));
  const row = element("tr", {}, element("th", { scope: "row" }, name));
  row.append(element("td", {}, remove));
  return row;
}

function select(region) {
  state.selected = region.id;
  changed();
}

function showRow(region, row) {
  const name = row.querySelector("input");
  if (document.activeElement !== name) name.value = region.name;
  name.setAttribute("aria-label", `Name of ${region.name}`);
  row.lastChild.firstChild.setAttribute("aria-label", `Delete ${region.name}`);
  row.classList.toggle("selected", region.id === state.selected);
  const cells = regionCells(region); // between the name, which keeps the focus, and the button
  while (row.children.length < cells.length + 2) row.insertBefore(element("td"), row.lastChild);
  while (row.children.length > cells.length + 2) row.lastChild.previousSibling.remove();
  cells.forEach(({ text, notes = [] }, i) =>
    row.children[i + 1].replaceChildren(text, ...notes.map((note) => element("small", {}, note))),
  );
}

/** Show the selected region's position in pixels of the (first) image, to be set exactly. */
function showPosition() {
  const region = selectedRegion();
  const image = shownImages().find(({ layers }) => layers);
  byId("position").hidden = !region || !image;
  if (!region || !image) return;
  byId("position-of").textContent = `${region.name}, in pixels of ${image.name}`;
  for (const [side, of] of Object.entries(SIDES)) {
    const input = byId(`position-${side}`);
    if (document.activeElement === input) continue;
    input.value = Math.round(region[side] * image.layers[of]);
    input.max = image.layers[of];
  }
}

/** Take a position that the reader typed; what leaves the image is cut. */
export function readPosition() {
  const region = selectedRegion();
  const { layers } = shownImages().find((image) => image.layers);
  const typed = {};
  for (const [side, of] of Object.entries(SIDES)) {
    const value = byId(`position-${side}`).valueAsNumber;
    if (!Number.isFinite(value)) return;
    typed[side] = value / layers[of];
  }
  const x = Math.min(Math.max(typed.x, 0), 1 - 1 / layers.width);
  const y = Math.min(Math.max(typed.y, 0), 1 - 1 / layers.height);
  changeRegion(region, {
    x,
    y,
    width: Math.min(Math.max(typed.width, 1 / layers.width), 1 - x),
    height: Math.min(Math.max(typed.height, 1 / layers.height), 1 - y),
  });
}
