// Drawing, moving and resizing regions by mouse, touch and keyboard.

import { announceLater, byId } from "./dom.js";
import { describeRegion } from "./prediction.js";
import { between, moved, resized } from "./regions.js";
import { changed, selectedRegion, shownImages, state } from "./store.js";

const STEP = 0.01; // share of the image that an arrow key moves
const SMALLEST_DRAWN_PX = 8; // anything smaller was meant as a click
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let lastId = 0;

/** Add a region and select it; without a rectangle, one in the middle. */
export function addRegion(rectangle = nearTheMiddle()) {
  const names = new Set(state.regions.map(({ name }) => name));
  let number = 1;
  while (names.has(`Region ${number}`)) number += 1;
  const region = { id: (lastId += 1), name: `Region ${number}`, ...rectangle };
  state.regions.push(region);
  state.selected = region.id;
  changed();
  return region;
}

/** Return a rectangle in the middle, or beside it where one is hidden below another. */
function nearTheMiddle() {
  let rectangle = { x: 0.35, y: 0.35, width: 0.3, height: 0.3 };
  const isTaken = ({ x, y }) => x === rectangle.x && y === rectangle.y;
  for (let tries = 0; tries < 8 && state.regions.some(isTaken); tries += 1)
    rectangle = moved(rectangle, 0.04, 0.04);
  return rectangle;
}

export function deleteRegion(region) {
  state.regions.splice(state.regions.indexOf(region), 1);
  if (state.selected === region.id) state.selected = null;
  announceLater(`${region.name} deleted`);
  changed();
}

/** Give a region another rectangle, and say its new numbers once it rests. */
export function changeRegion(region, rectangle) {
  Object.assign(region, rectangle);
  const [image] = shownImages().filter((shown) => shown.layers);
  if (image) announceLater(describeRegion(image, region));
  changed();
}

/** Let regions be edited on a pane's stage; `regions` is the element that holds them. */
export function editRegions(stage, regions) {
  stage.addEventListener("pointerdown", (event) => startDrag(event, stage));
  regions.addEventListener("keydown", onKey);
}

function startDrag(event, stage) {
  if (event.button !== 0 || !stage.classList.contains("ready")) return;
  const box = event.target.closest(".region");
  const fingerScrolls = event.pointerType === "touch" && !state.drawing;
  if (!box && fingerScrolls) return;
  event.preventDefault(); // no text selection
  const bounds = stage.getBoundingClientRect();
  const position = ({ clientX, clientY }) => ({
    x: (clientX - bounds.left) / bounds.width,
    y: (clientY - bounds.top) / bounds.height,
  });
  const drag = box ? editDrag(box, event.target.dataset.edges) : drawDrag(bounds);
  const start = position(event);
  const follow = (moving) => drag.move(start, position(moving));
  const listening = new AbortController();
  const finish = (canceled) => {
    listening.abort();
    drag.end(canceled);
    changed();
  };
  const options = { signal: listening.signal };
  stage.setPointerCapture(event.pointerId);
  stage.addEventListener("pointermove", follow, options);
  stage.addEventListener("pointerup", () => finish(false), options);
  stage.addEventListener("pointercancel", () => finish(true), options);
  const escape = (key) => key.key === "Escape" && finish(true);
  document.addEventListener("keydown", escape, options);
}

/** Move a region, or some of its edges. */
function editDrag(box, edges) {
  box.focus({ preventScroll: true });
  const region = state.regions.find(({ id }) => String(id) === box.dataset.id);
  const { x, y, width, height } = region;
  const before = { x, y, width, height };
  return {
    move: (start, now) => {
      const by = [now.x - start.x, now.y - start.y];
      changeRegion(region, edges ? resized(before, edges, ...by) : moved(before, ...by));
    },
    end: (canceled) => canceled && changeRegion(region, before),
  };
}

/** Draw a new region. */
function drawDrag(bounds) {
  document.activeElement?.blur();
  state.selected = null;
  let region = null;
  return {
    move: (start, now) => {
      const rectangle = between(start, now);
      const large =
        rectangle.width * bounds.width >= SMALLEST_DRAWN_PX &&
        rectangle.height * bounds.height >= SMALLEST_DRAWN_PX;
      if (region && rectangle.width && rectangle.height) changeRegion(region, rectangle);
      else if (large) region = addRegion(rectangle);
    },
    end: (canceled) => {
      if (region && canceled) deleteRegion(region);
      state.drawing = false;
    },
  };
}

function onKey(event) {
  const region = selectedRegion();
  if (!region || event.ctrlKey || event.altKey || event.metaKey) return;
  const arrow = ARROWS[event.key];
  if (arrow) {
    const [dx, dy] = arrow.map((direction) => direction * STEP);
    changeRegion(region, event.shiftKey ? resized(region, "es", dx, dy) : moved(region, dx, dy));
  } else if (event.key === "Delete" || event.key === "Backspace") {
    deleteRegion(region);
    byId("add-region").focus();
  } else if (event.key === "Enter") {
    const name = document.querySelector(`#region-rows [data-id="${region.id}"] input`);
    name.focus();
    name.select();
  } else {
    return;
  }
  event.preventDefault();
}
