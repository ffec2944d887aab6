// A pane: one image with its prediction and the regions on it.

import { element, keepChildren, percent } from "./dom.js";
import { editRegions } from "./editor.js";
import { isTall, remove, retry } from "./images.js";
import { chooseFiles } from "./intake.js";
import { CANVAS_MAX_PX, paint } from "./picture.js";
import { describeRegion, predictionOf } from "./prediction.js";
import { changed, state } from "./store.js";

const BADGE_PX = 28; // height of a region's name and share
const VIEWS = {
  heat: "Heat map of",
  contours: "Contours of equal mass on",
  fixations: "Sampled fixations on",
  image: "Image",
};

/**
 * Make a pane.
 *
 * @param {string} variant "A" or "B"
 * @returns {{root: Element, show: (image, isWanted: boolean) => void}} an image that is wanted but
 *   not there is asked for
 */
export function createPane(variant) {
  const canvas = element("canvas", { role: "img" });
  const regions = element("div", { class: "regions" });
  const progress = element("p", { class: "progress" });
  const problem = element("div", { class: "problem", role: "alert" });
  const stage = element("div", { class: "stage" }, canvas, regions, progress, problem);
  const scroller = element("div", { class: "scroller" }, stage);
  const head = element("figcaption", { class: "pane-head" });
  const invitation = makeInvitation();
  const root = element("figure", { class: "pane" }, head, scroller, invitation);
  let image = null;

  const draw = () => {
    if (!image?.photo) return;
    const scale = Math.min(devicePixelRatio, 2, CANVAS_MAX_PX / stage.clientHeight);
    const width = Math.max(1, Math.round(stage.clientWidth * scale));
    const height = Math.max(1, Math.round(stage.clientHeight * scale));
    if (canvas.width !== width) canvas.width = width; // setting it clears the canvas
    if (canvas.height !== height) canvas.height = height;
    paint(canvas.getContext("2d"), image);
  };
  new ResizeObserver(draw).observe(stage);
  editRegions(stage, regions);

  const show = (shown, isWanted) => {
    if (shown !== image) problem.replaceChildren();
    image = shown;
    root.hidden = !image && !isWanted;
    head.hidden = stage.hidden = !image;
    invitation.hidden = Boolean(image);
    if (!image) return;
    if (image.aspect) root.style.setProperty("--aspect", image.aspect);
    showTall(root, scroller, image);
    stage.className = `stage ${image.status}${state.drawing ? " drawing" : ""}`;
    canvas.setAttribute("aria-label", `${VIEWS[state.view]} ${image.name}`);
    showHead(head, variant, image);
    showProgress(progress, image);
    showProblem(problem, image);
    const ready = image.status === "ready";
    keepChildren(regions, ready ? state.regions : [], makeRegion, (region, box) =>
      showRegion(region, box, image),
    );
    draw();
  };
  return { root, show };
}

/** Let a page be scrolled in its own place, so that the controls stay beside it. */
function showTall(root, scroller, image) {
  const tall = isTall(image);
  root.classList.toggle("tall", tall);
  if (tall) scroller.setAttribute("aria-label", `${image.name}, to be scrolled`);
  for (const [name, value] of [["tabindex", "0"], ["role", "region"]]) {
    if (tall) scroller.setAttribute(name, value);
    else scroller.removeAttribute(name);
  }
  if (!tall) scroller.removeAttribute("aria-label");
}

/** What stands in the place of a variant that is not there yet. */
function makeInvitation() {
  return element(
    "div",
    { class: "invitation" },
    element("p", {}, "Drop the variant to compare with"),
    element("button", { type: "button", onclick: chooseFiles }, "Choose variant B"),
  );
}

function showHead(head, variant, image) {
  const fact = (text) => element("span", { class: "fact" }, text);
  head.replaceChildren(
    ...(state.comparing ? [element("span", { class: "variant" }, variant)] : []),
    element("strong", {}, image.name),
    ...(image.layers ? [fact(`${image.layers.width} × ${image.layers.height} px`)] : []),
    ...(image.seconds ? [fact(`predicted in ${image.seconds.toFixed(1)} s`)] : []),
  );
}

function showProgress(progress, image) {
  const text = { waiting: "Waiting for the images before it", predicting: "Predicting" };
  progress.hidden = !(image.status in text);
  progress.textContent = text[image.status] ?? "";
}

function showProblem(box, image) {
  box.hidden = image.status !== "failed";
  if (box.hidden) box.replaceChildren();
  if (box.hidden || box.firstChild) return; // an alert is read again whenever it is rewritten
  box.append(
    element("h2", {}, image.problem.message),
    element("p", {}, image.problem.detail ?? ""),
    element("button", { type: "button", onclick: () => retry(image) }, "Try again"),
    element("button", { type: "button", onclick: () => remove(image) }, "Remove this image"),
  );
}

function makeRegion(region) {
  return element(
    "div",
    {
      class: "region",
      tabIndex: 0,
      role: "application", // so that screen readers leave the arrow keys to it
      "aria-roledescription": "region of the image",
      "aria-describedby": "region-keys",
      onfocus: () => {
        state.selected = region.id;
        changed();
      },
    },
    element("span", { class: "badge" }),
    ...["nw", "ne", "sw", "se"].map((edges) => {
      const handle = element("span", { class: `handle ${edges}` });
      handle.dataset.edges = edges;
      return handle;
    }),
  );
}

function showRegion(region, box, image) {
  const share = predictionOf(image).mass(region);
  for (const [side, value] of [
    ["left", region.x],
    ["top", region.y],
    ["width", region.width],
    ["height", region.height],
  ]) {
    box.style[side] = `${100 * value}%`;
  }
  box.classList.toggle("selected", region.id === state.selected);
  const above = region.y * box.parentElement.clientHeight;
  box.classList.toggle("badge-inside", above < BADGE_PX);
  const badge = box.firstChild;
  badge.replaceChildren(element("span", {}, region.name), ` ${percent(share)}`);
  box.setAttribute("aria-label", describeRegion(image, region));
}
